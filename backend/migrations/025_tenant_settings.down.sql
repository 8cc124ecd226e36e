-- Undoes 025_tenant_settings.
REVOKE UPDATE (time_zone, currency, settings, updated_at) ON tenants FROM crm_app;
