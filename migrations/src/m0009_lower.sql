-- Lower case for searches in any locale of the database: with locale C, `lower` handles only ASCII.

DO $$
DECLARE
    best text;
BEGIN
    SELECT collname INTO best
    FROM unnest(ARRAY['und-x-icu', 'pg_c_utf8', 'C.utf8', 'en_US.utf8', 'default']) WITH ORDINALITY AS wanted (name, rank)
    JOIN pg_collation ON collname = name AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))
    ORDER BY rank LIMIT 1;
    EXECUTE format(
        'CREATE FUNCTION storeplane_lower(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN lower($1 COLLATE %I)', best);
END $$;
