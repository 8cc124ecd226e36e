-- Promise of 022_automatic_assignment, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'shift' AND NOT attisdropped) THEN
    RAISE EXCEPTION 'column `users.shift` is missing';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'users_shift_object' AND convalidated) THEN
    RAISE EXCEPTION 'constraint `users_shift_object` is missing or not validated';
  END IF;
  FOREACH item IN ARRAY ARRAY['leads_tenant_merged_phone_idx', 'conversations_tenant_contact_idx'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'lead_submissions', 'owner_history', 'assignment_log', 'lead_status_history'] LOOP
    IF NOT has_column_privilege('crm_app', item, 'lead_id', 'UPDATE') THEN
      RAISE EXCEPTION 'crm_app lacks the grant `% UPDATE (lead_id)`', item;
    END IF;
    -- Everything else of it stays as it was written.
    IF has_table_privilege('crm_app', item, 'UPDATE') THEN
      RAISE EXCEPTION 'crm_app may rewrite `%`', item;
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('lead_counts_apply()') AND prosrc LIKE '%pg_try_advisory_xact_lock%') THEN
    RAISE EXCEPTION 'function `lead_counts_apply()` takes no slot of its own';
  END IF;
END
$$;
