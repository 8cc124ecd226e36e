//! Pictures of the catalog, and what changed between two of them. By name between runs, because a restored
//! database has new oids; by oid within one transaction, because a rename keeps those.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;

use crate::error::{Error, doing};

/// Where an object lives: catalog, oid, column number.
pub(crate) type Address = (String, i64, i32);

/// One object of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Object {
    catalog: String,
    oid: i64,
    part: i32,
    /// `table`, `column`, `index`, …
    pub(crate) kind: String,
    /// Its qualified name, quoted where SQL needs quotes.
    pub(crate) name: String,
    /// The table of a column.
    pub(crate) owner: Option<String>,
    fingerprint: Option<String>,
    /// The file of a table with rows of its own; `None` for anything else.
    pub(crate) filenode: Option<i64>,
}

impl Object {
    /// How the history calls it: `table public.leads`.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    /// The bare name of a column.
    pub(crate) fn column_name(&self) -> String {
        let table = self.owner.as_deref().unwrap_or_default();
        self.name.strip_prefix(table).and_then(|name| name.strip_prefix('.')).unwrap_or_default().to_owned()
    }

    /// The oid of the object, or of the table a column belongs to.
    pub(crate) fn oid(&self) -> i64 {
        self.oid
    }
}

/// What a migration did to the catalog, by kind and name, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) created: Vec<String>,
    pub(crate) altered: Vec<String>,
}

/// The catalog at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picture {
    objects: BTreeMap<Address, Object>,
}

impl Picture {
    /// Looks at the catalog.
    pub(crate) async fn take(conn: &mut PgConnection) -> Result<Self, Error> {
        let objects: Vec<Object> = sqlx::query_as(include_str!("objects.sql"))
            .persistent(false)
            .fetch_all(conn)
            .await
            .map_err(doing("read the catalog"))?;
        let keyed = objects.into_iter().map(|o| ((o.catalog.clone(), o.oid, o.part), o));
        Ok(Self { objects: keyed.collect() })
    }

    /// What is new or changed in `later`, by name.
    pub(crate) fn touched(&self, later: &Self) -> Touched {
        let before: BTreeMap<String, &Object> = self.objects.values().map(|o| (o.title(), o)).collect();
        let mut touched = Touched::default();
        for object in later.objects.values() {
            match before.get(&object.title()) {
                None => touched.created.push(object.title()),
                Some(old) if old.fingerprint != object.fingerprint => touched.altered.push(object.title()),
                Some(_) => {}
            }
        }
        touched.created.sort();
        touched.altered.sort();
        touched
    }

    /// Names that are gone in `later`.
    pub(crate) fn vanished(&self, later: &Self) -> BTreeSet<String> {
        let after = later.titles();
        self.titles().difference(&after).cloned().collect()
    }

    /// All names.
    pub(crate) fn titles(&self) -> BTreeSet<String> {
        self.objects.values().map(Object::title).collect()
    }

    /// Objects whose very identity is gone in `later`: dropped, even if made again under the same name.
    pub(crate) fn dropped<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = &'a Object> {
        self.objects
            .iter()
            .filter(|(address, _)| !later.objects.contains_key(*address))
            .map(|(_, object)| object)
    }

    /// Tables with rows of their own that are in both and whose file was replaced: truncated or rewritten.
    pub(crate) fn rewritten<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = (&'a Object, &'a Object)> {
        self.objects
            .iter()
            .filter_map(|(address, old)| Some((old, later.objects.get(address)?)))
            .filter(|(old, new)| old.filenode.is_some() && old.filenode != new.filenode)
    }

    /// The table with this oid.
    pub(crate) fn table(&self, oid: i64) -> Option<&Object> {
        self.objects.get(&("pg_class".to_owned(), oid, 0)).filter(|object| object.filenode.is_some())
    }

    /// The columns of the table with this oid, by number, their names quoted where SQL needs quotes.
    pub(crate) fn columns(&self, oid: i64) -> BTreeMap<i32, String> {
        let from = ("pg_class".to_owned(), oid, 1);
        let parts =
            self.objects.range(from..).take_while(|((catalog, o, _), _)| catalog == "pg_class" && *o == oid);
        parts.map(|((_, _, number), column)| (*number, column.column_name())).collect()
    }
}
