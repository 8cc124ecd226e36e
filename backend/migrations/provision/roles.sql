-- The three roles of the CRM and what they may do in the database this file is run against.
--
-- Run by a superuser, connected to the CRM's own database, before the first migration; running it again
-- changes nothing, and many may run it at once (roles belong to the whole server). No password is set here:
-- the deployment gives crm_migrator and crm_app theirs with ALTER ROLE … PASSWORD.
--
--   crm_migrator  LOGIN  BYPASSRLS   owns the database and every table; runs migrations, dumps, proofs, the seed;
--                                    sees what other sessions do, to name who stands in a migration's way
--   crm_app       LOGIN  NOBYPASSRLS what the server connects as; sees one tenant at a time
--   crm_gate      NOLOGIN            owns the few SECURITY DEFINER functions that must look across tenants

DO $$
DECLARE
  attempt int := 0;
BEGIN
  LOOP
    attempt := attempt + 1;
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'crm_migrator') THEN
        CREATE ROLE crm_migrator;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'crm_app') THEN
        CREATE ROLE crm_app;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'crm_gate') THEN
        CREATE ROLE crm_gate;
      END IF;
      -- Only when they differ: an ALTER ROLE that meets another one fails with "tuple concurrently updated".
      IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'crm_migrator'
                 AND (NOT rolcanlogin OR NOT rolbypassrls OR rolsuper OR rolcreaterole OR rolcreatedb)) THEN
        ALTER ROLE crm_migrator LOGIN BYPASSRLS NOSUPERUSER NOCREATEROLE NOCREATEDB;
      END IF;
      IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'crm_app'
                 AND (NOT rolcanlogin OR rolbypassrls OR rolsuper OR rolcreaterole OR rolcreatedb)) THEN
        ALTER ROLE crm_app LOGIN NOBYPASSRLS NOSUPERUSER NOCREATEROLE NOCREATEDB;
      END IF;
      IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'crm_gate'
                 AND (rolcanlogin OR rolbypassrls OR rolsuper OR rolcreaterole OR rolcreatedb)) THEN
        ALTER ROLE crm_gate NOLOGIN NOBYPASSRLS NOSUPERUSER NOCREATEROLE NOCREATEDB;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members
                     WHERE roleid = 'crm_gate'::regrole AND member = 'crm_migrator'::regrole) THEN
        GRANT crm_gate TO crm_migrator;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members
                     WHERE roleid = 'pg_read_all_stats'::regrole AND member = 'crm_migrator'::regrole) THEN
        GRANT pg_read_all_stats TO crm_migrator;
      END IF;
      EXIT;
    EXCEPTION
      -- Another session made or altered the same role in this moment: look again.
      WHEN duplicate_object OR unique_violation OR internal_error THEN
        IF attempt >= 40 THEN
          RAISE;
        END IF;
        PERFORM pg_catalog.pg_sleep(0.05);
    END;
  END LOOP;
END
$$;

DO $$
BEGIN
  EXECUTE format('ALTER DATABASE %I OWNER TO crm_migrator', current_database());
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO crm_app', current_database());
END
$$;

ALTER SCHEMA public OWNER TO crm_migrator;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO crm_app, crm_gate;

CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;
