-- Undoes 010_meta_pages: with it go the pages and their tokens.
DROP TABLE meta_pages;
