//! Lamina
