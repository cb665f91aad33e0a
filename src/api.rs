//! The custom resources of `pilothouse.dev/v1alpha1`, as users write them.
