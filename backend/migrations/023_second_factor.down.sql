-- Undoes 023_second_factor: whoever had a second factor comes in without one.
DROP TABLE second_factors;
