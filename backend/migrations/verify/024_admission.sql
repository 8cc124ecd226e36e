-- Promise of 024_admission, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  admits regprocedure := to_regprocedure('public.crm_admits(int, uuid, uuid, int, text)');
BEGIN
  IF admits IS NULL THEN
    RAISE EXCEPTION 'function `crm_admits` is missing';
  END IF;
  -- As its owner it would look past row-level security.
  IF (SELECT prosecdef OR provolatile <> 's' OR proconfig IS NOT NULL FROM pg_proc WHERE oid = admits) THEN
    RAISE EXCEPTION 'function `crm_admits` runs as its owner, or is not stable';
  END IF;
  IF NOT has_function_privilege('crm_app', admits, 'EXECUTE') THEN
    RAISE EXCEPTION 'crm_app lacks the grant to execute `crm_admits`';
  END IF;
  IF (SELECT prosrc FROM pg_proc WHERE oid = admits) NOT LIKE '%s.revoked_at IS NULL AND s.expires_at > now()%' THEN
    RAISE EXCEPTION 'function `crm_admits` was changed';
  END IF;
END
$$;
