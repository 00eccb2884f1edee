"use strict";
module.exports = {
    dialect: "postgresql",
    out: process.env.BS_OUT,
    schema: process.env.BS_SCHEMA || "./none.js",
    schemaFilter: (process.env.BS_SCHEMAS || "rich,public").split(","),
    dbCredentials: { url: process.env.BS_URL },
};
