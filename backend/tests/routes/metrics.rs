//! Figures of sellers, against a slow reference that walks through raw histories in plain loops.

mod cache;
mod export;
mod history;
mod oracle;
mod random;
mod reference;
mod routes;
