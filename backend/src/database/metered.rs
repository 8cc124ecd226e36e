//! An executor around an executor that times what passes: into the request's meter and the
//! process-wide statistics. Changes no query.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, Postgres, SqlStr};

use super::Statistics;
use crate::meter::Meter;

/// An executor whose queries are timed: give it to sqlx in place of a connection.
pub struct Metered<E> {
    inner: E,
    statistics: Arc<Statistics>,
}

impl<E> Metered<E> {
    pub(super) fn new(inner: E, statistics: Arc<Statistics>) -> Self {
        Self { inner, statistics }
    }
}

impl<E> Debug for Metered<E> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metered")
    }
}

/// Runs from its making to its end, also when a query is dropped half-way.
struct Watch {
    start: Instant,
    meter: Option<Arc<Meter>>,
    statistics: Arc<Statistics>,
}

impl Watch {
    fn start(statistics: Arc<Statistics>) -> Self {
        Self { start: Instant::now(), meter: Meter::current(), statistics }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let spent = self.start.elapsed();
        if let Some(meter) = &self.meter {
            meter.add_database(spent);
        }
        self.statistics.record(spent);
    }
}

impl<'c, X> Executor<'c> for Metered<X>
where
    X: Executor<'c, Database = Postgres> + 'c,
{
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let watch = Watch::start(self.statistics);
        let rows = self.inner.fetch_many(query);
        futures_util::stream::unfold((rows, watch), |(mut rows, watch)| async move {
            rows.next().await.map(|row| (row, (rows, watch)))
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let watch = Watch::start(self.statistics);
        let row = self.inner.fetch_optional(query);
        Box::pin(async move {
            let row = row.await;
            drop(watch);
            row
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        self.inner.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        self.inner.describe(sql)
    }
}
