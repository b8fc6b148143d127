//! Preview 1 called by guests written as text.
