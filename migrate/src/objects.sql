-- Every object of the application's schemas: where it lives in the catalogs, what it is called, and a
-- fingerprint that changes when it is changed in place. Comments, privileges, statistics and storage are no
-- part of it: a revert that loses those loses nothing another migration stands on.
WITH ns AS MATERIALIZED (
  SELECT oid, quote_ident(nspname) AS name FROM pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'crmctl') AND nspname !~ '^pg_(toast|temp)'
), rel AS MATERIALIZED (
  SELECT c.oid, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
         pg_relation_filenode(c.oid) AS filenode, ns.name || '.' || quote_ident(c.relname) AS name
  FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
  WHERE NOT (ns.name = 'public' AND c.relname IN ('_sqlx_migrations', '_sqlx_migrations_pkey'))
)
SELECT 'pg_class'::text AS catalog, oid::int8, 0 AS part,
       CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view'
         WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'index' END AS kind,
       name, NULL::text AS owner,
       CASE WHEN relkind IN ('v', 'm') THEN md5(pg_get_viewdef(oid))
         ELSE concat(relrowsecurity, relforcerowsecurity) END AS fingerprint,
       CASE WHEN relkind = 'r' THEN filenode::int8 END AS filenode
FROM rel WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c', 'i', 'I')
UNION ALL
SELECT 'pg_class', rel.oid::int8, a.attnum, 'column', rel.name || '.' || quote_ident(a.attname), rel.name,
       concat(a.atttypid, ' ', a.atttypmod, ' ', a.attnotnull, a.attidentity, a.attgenerated), NULL
FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid
WHERE rel.relkind IN ('r', 'p', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'pg_attrdef', d.oid::int8, 0, 'default', rel.name || '.' || quote_ident(a.attname), NULL, md5(d.adbin::text), NULL
FROM rel JOIN pg_attrdef d ON d.adrelid = rel.oid
JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
UNION ALL
SELECT 'pg_constraint', k.oid::int8, 0, 'constraint', quote_ident(k.conname) || ' on ' || coalesce(rel.name, t.typname), NULL,
       md5(concat(k.contype, k.convalidated, k.conkey, k.confkey, k.confrelid, k.confdeltype, k.confupdtype, k.conbin)), NULL
FROM pg_constraint k JOIN ns ON ns.oid = k.connamespace
LEFT JOIN rel ON rel.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
WHERE k.contype <> 't' AND (k.conrelid = 0 OR rel.oid IS NOT NULL)
UNION ALL
SELECT 'pg_trigger', t.oid::int8, 0, 'trigger', quote_ident(t.tgname) || ' on ' || rel.name, NULL,
       concat(t.tgfoid, t.tgtype, t.tgenabled, t.tgattr), NULL
FROM pg_trigger t JOIN rel ON rel.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'pg_policy', p.oid::int8, 0, 'policy', quote_ident(p.polname) || ' on ' || rel.name, NULL,
       md5(concat(p.polcmd, p.polpermissive, p.polroles, p.polqual, p.polwithcheck)), NULL
FROM pg_policy p JOIN rel ON rel.oid = p.polrelid
UNION ALL
SELECT 'pg_rewrite', r.oid::int8, 0, 'rule', quote_ident(r.rulename) || ' on ' || rel.name, NULL, md5(r.ev_action::text), NULL
FROM pg_rewrite r JOIN rel ON rel.oid = r.ev_class WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'pg_proc', f.oid::int8, 0, 'function', ns.name || '.' || quote_ident(f.proname) || '(' || oidvectortypes(f.proargtypes) || ')',
       NULL, md5(concat(f.prosrc, f.prosqlbody, f.proconfig, f.provolatile, f.prosecdef, f.proowner, f.prorettype)), NULL
FROM pg_proc f JOIN ns ON ns.oid = f.pronamespace
UNION ALL
SELECT 'pg_type', t.oid::int8, 0, 'type', ns.name || '.' || quote_ident(t.typname), NULL, concat(t.typnotnull, t.typdefault), NULL
FROM pg_type t JOIN ns ON ns.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r')
UNION ALL
SELECT 'pg_enum', e.oid::int8, 0, 'label', quote_literal(e.enumlabel) || ' of ' || ns.name || '.' || quote_ident(t.typname), NULL,
       e.enumsortorder::text, NULL
FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN ns ON ns.oid = t.typnamespace
UNION ALL
SELECT 'pg_namespace', oid::int8, 0, 'schema', name, NULL, NULL, NULL FROM ns
UNION ALL
SELECT 'pg_extension', x.oid::int8, 0, 'extension', quote_ident(x.extname), NULL, x.extversion, NULL FROM pg_extension x
