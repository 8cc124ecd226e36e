//! Tests of the deployment as values, one module per concern.

mod generic;
