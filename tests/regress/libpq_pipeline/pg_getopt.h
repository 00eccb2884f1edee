/* All of it is in postgres_fe.h. */
