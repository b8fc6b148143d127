//! `lamina` called by guests written as text.
