-- crmctl:stage expand
-- Whether a caller may still come in: asked at the beginning of every request, so its plan is kept by the session instead
-- of being made each time, which cost more than the question itself.

CREATE FUNCTION crm_admits(own_tenant int, own_user uuid, own_session uuid, own_version int, own_role text) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM public.users u
    JOIN public.tenants t ON t.id = u.tenant_id
    JOIN public.sessions s ON s.tenant_id = u.tenant_id AND s.id = own_session AND s.user_id = u.id
    WHERE u.tenant_id = own_tenant AND u.id = own_user AND u.status = 'active' AND u.token_version = own_version
      AND u.role = own_role AND t.status = 'active' AND s.revoked_at IS NULL AND s.expires_at > now());
END
$$;
COMMENT ON FUNCTION crm_admits(int, uuid, uuid, int, text) IS 'Whether account, tenant and session of a token still may; run as the caller, inside their tenant.';
REVOKE ALL ON FUNCTION crm_admits(int, uuid, uuid, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm_admits(int, uuid, uuid, int, text) TO crm_app;
