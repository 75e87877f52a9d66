-- Roles belong to the whole server, so the corpus's are made once and never dropped while a server runs.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'corpus_reader') THEN
    CREATE ROLE corpus_reader; CREATE ROLE corpus_writer; CREATE ROLE corpus_policy;
    GRANT corpus_reader TO corpus_writer;
  END IF;
END $$;
