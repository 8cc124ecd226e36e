-- Promise of 018_lead_status_system, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'lead_status_history', 'lead_counts'] LOOP
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.' || item) AND relrowsecurity AND relforcerowsecurity) THEN
      RAISE EXCEPTION 'table `%` is missing or its row-level security is not forced', item;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = to_regclass('public.' || item) AND polname = item || '_tenant'
                   AND polcmd = '*' AND polroles = ARRAY['crm_app'::regrole::oid]
                   AND pg_get_expr(polqual, polrelid) LIKE '%app.tenant_id%'
                   AND pg_get_expr(polwithcheck, polrelid) LIKE '%app.tenant_id%') THEN
      RAISE EXCEPTION 'policy `%_tenant` is missing or was changed', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'lead_status_history_tenant_lead_idx', 'lead_status_history_tenant_changed_idx',
      'lead_status_history_tenant_by_idx', 'lead_statuses_pkey', 'lead_statuses_position_key',
      'lead_status_transitions_pkey', 'lead_status_history_pkey', 'lead_counts_pkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'lead_status_transitions_from_fkey', 'lead_status_transitions_to_fkey', 'leads_status_fkey',
      'lead_status_history_from_fkey', 'lead_status_history_to_fkey', 'lead_status_history_lead_fkey',
      'lead_status_history_changed_by_fkey', 'lead_counts_tenant_fkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'lead_statuses SELECT', 'lead_status_transitions SELECT', 'lead_counts SELECT',
      'lead_status_history SELECT', 'lead_status_history INSERT'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY['lead_counts_insert', 'lead_counts_update', 'lead_counts_delete', 'lead_counts_truncate'] LOOP
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'leads'::regclass AND tgname = item AND tgenabled = 'O') THEN
      RAISE EXCEPTION 'trigger `%` is missing or switched off', item;
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('public.lead_counts_apply()') AND prosecdef
                 AND proowner = 'crm_gate'::regrole AND proconfig @> ARRAY['search_path=pg_catalog, pg_temp']) THEN
    RAISE EXCEPTION 'function `lead_counts_apply` is missing, not owned by crm_gate, or without a fixed search_path';
  END IF;
  IF EXISTS (SELECT FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
             WHERE p.oid = to_regprocedure('public.lead_counts_apply()') AND a.grantee = 0) THEN
    RAISE EXCEPTION 'everybody may call `lead_counts_apply`';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policy WHERE polname = 'lead_counts_gate' AND polroles = ARRAY['crm_gate'::regrole::oid])
     OR NOT (has_table_privilege('crm_gate', 'lead_counts', 'INSERT') AND has_table_privilege('crm_gate', 'lead_counts', 'UPDATE')) THEN
    RAISE EXCEPTION 'crm_gate may not keep `lead_counts`';
  END IF;
  IF has_table_privilege('crm_app', 'lead_counts', 'INSERT') OR has_table_privilege('crm_app', 'lead_counts', 'UPDATE') THEN
    RAISE EXCEPTION 'crm_app may write `lead_counts`';
  END IF;
  IF (SELECT array_agg(code ORDER BY position) FROM lead_statuses) IS DISTINCT FROM
     ARRAY['new', 'contacted', 'qualified', 'proposal_sent', 'negotiation', 'won', 'lost', 'archived'] THEN
    RAISE EXCEPTION 'table `lead_statuses` does not hold the vocabulary';
  END IF;
  IF EXISTS (SELECT FROM lead_statuses s WHERE s.is_open
             AND NOT EXISTS (SELECT FROM lead_status_transitions t WHERE t.from_status = s.code AND t.to_status = 'lost')) THEN
    RAISE EXCEPTION 'an open status has no way to `lost`';
  END IF;
  -- Counted again from the leads, the counts are the same.
  IF EXISTS (
    SELECT FROM (
      SELECT tenant_id, lead_source, status, assigned_seller_id IS NOT NULL AS assigned, count(*) AS n
      FROM leads WHERE NOT is_test AND merged_into IS NULL GROUP BY 1, 2, 3, 4
    ) real FULL JOIN (
      SELECT tenant_id, lead_source, status, assigned, sum(leads) AS n FROM lead_counts GROUP BY 1, 2, 3, 4
    ) kept USING (tenant_id, lead_source, status, assigned)
    WHERE coalesce(real.n, 0) <> coalesce(kept.n, 0)) THEN
    RAISE EXCEPTION 'table `lead_counts` differs from a recount of `leads`';
  END IF;
END
$$;
