//! Framings and bytes: knows no provider.
