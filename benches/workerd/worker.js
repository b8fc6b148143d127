// The workerd side of `cargo xtask bench`'s comparison: the answer of functions/hello-http.
export default {
  fetch() {
    return new Response('{"message":"Hello, world!"}', { headers: { "content-type": "application/json" } });
  },
};
