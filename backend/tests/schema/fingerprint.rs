//! The schema as sorted lines of text, so that two states can be compared and their difference read.
//! Leaves out what extensions own and the physical place of columns.

use sqlx::PgConnection;

const LINES: &str = r"
WITH own AS (
  SELECT c.oid, c.relname, c.relkind FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), functions AS (
  SELECT p.* FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
)
SELECT format('relation %s kind=%s owner=%s rls=%s force=%s options=%s acl=%s comment=%s', o.relname, o.relkind,
  c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
  (SELECT string_agg(format('%s:%s', a.grantee::regrole, a.privilege_type), ',' ORDER BY a.grantee, a.privilege_type) FROM aclexplode(c.relacl) a),
  obj_description(o.oid, 'pg_class'))
FROM own o JOIN pg_class c USING (oid)
UNION ALL
SELECT format('column %s.%s %s notnull=%s identity=%s generated=%s default=%s acl=%s comment=%s', o.relname, a.attname,
  format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid),
  a.attacl, col_description(o.oid, a.attnum))
FROM own o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum WHERE o.relkind = 'r'
UNION ALL
SELECT format('constraint %s.%s valid=%s %s', o.relname, k.conname, k.convalidated, pg_get_constraintdef(k.oid))
FROM own o JOIN pg_constraint k ON k.conrelid = o.oid
UNION ALL
SELECT format('index %s valid=%s comment=%s', pg_get_indexdef(i.indexrelid), i.indisvalid, obj_description(i.indexrelid, 'pg_class'))
FROM own o JOIN pg_index i ON i.indrelid = o.oid
UNION ALL
SELECT format('policy %s.%s cmd=%s roles=%s using=%s check=%s', o.relname, p.polname, p.polcmd, p.polroles::regrole[],
  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM own o JOIN pg_policy p ON p.polrelid = o.oid
UNION ALL
SELECT format('trigger %s.%s enabled=%s %s', o.relname, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid))
FROM own o JOIN pg_trigger t ON t.tgrelid = o.oid AND NOT t.tgisinternal
UNION ALL
SELECT format('function %s owner=%s acl=%s comment=%s %s', f.oid::regprocedure, f.proowner::regrole, f.proacl,
  obj_description(f.oid, 'pg_proc'), pg_get_functiondef(f.oid))
FROM functions f
UNION ALL
SELECT format('schema %s acl=%s', nspname, nspacl) FROM pg_namespace WHERE nspname = 'public'
UNION ALL
SELECT format('type %s', t.typname) FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd')
ORDER BY 1";

/// The schema of the database, a line per object.
pub(crate) async fn take(db: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(LINES).fetch_all(db).await.unwrap()
}

/// Asserts that two schemas are the same, showing the lines only one has.
#[track_caller]
pub(crate) fn assert_same(what: &str, before: &[String], after: &[String]) {
    let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(before == after, "{what}\nlost: {lost:#?}\nnew: {new:#?}");
}
