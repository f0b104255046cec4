//! Component bytes and SQL text to findings. Pure.
