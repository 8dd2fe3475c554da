//! Splits the text of a selector into tokens.
