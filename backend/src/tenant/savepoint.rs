//! A place in a transaction to go back to, so that one of many can fail without the others.

use super::Transaction;

impl Transaction {
    /// Marks the first place.
    ///
    /// # Errors
    /// When the database did not answer.
    pub(crate) async fn mark(&mut self) -> Result<(), sqlx::Error> {
        self.savepoint("SAVEPOINT one").await
    }

    /// Keeps what was done since, and marks the next place.
    ///
    /// # Errors
    /// When the database did not answer.
    pub(crate) async fn keep(&mut self) -> Result<(), sqlx::Error> {
        self.savepoint("RELEASE SAVEPOINT one; SAVEPOINT one").await
    }

    /// Goes back to the place, also after a statement that failed; it stays marked.
    ///
    /// # Errors
    /// When the database did not answer.
    pub(crate) async fn undo(&mut self) -> Result<(), sqlx::Error> {
        self.savepoint("ROLLBACK TO SAVEPOINT one").await
    }

    async fn savepoint(&mut self, statements: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(statements).execute(self.db()).await.map(drop)
    }
}
