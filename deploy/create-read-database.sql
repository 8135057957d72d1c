-- Run once by the PostgreSQL image, beside the write database that it creates itself.
CREATE DATABASE shelfwise_read;
