;; Asks for an interface that no host has.
(component
  (import "acme:rocket/launch@1.0.0" (instance $launch
    (export "fire" (func))))
  (core module $guest (memory (export "memory") 1))
  (core instance (instantiate $guest)))
