/* The types that libpq_pipeline.c names; the numbers of built-in types never change. */
#define INT8OID     20
#define INT4OID     23
#define TEXTOID     25
#define INTERVALOID 1186
#define NUMERICOID  1700
