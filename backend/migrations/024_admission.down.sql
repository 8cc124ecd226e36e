-- Undoes 024_admission.
DROP FUNCTION crm_admits(int, uuid, uuid, int, text);
