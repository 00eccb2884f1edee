use sqlx::{postgres::PgDatabaseError, Connection, PgConnection};

/// The server's own error, or the gateway's.
fn said(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// The text between quotes that NAME has in the gateway's JSON. (With serde_json it is a field.)
fn field(json: &str, name: &str) -> String {
    json.split_once(&format!("\"{name}\":\"")).and_then(|(_, rest)| rest.split_once('"'))
        .map(|(value, _)| value.to_owned()).unwrap_or_default()
}

/// Wait until an operator has decided; the gateway answers every few seconds, decided or not.
async fn decided(c: &mut PgConnection, detail: &str) -> Result<String, sqlx::Error> {
    let (ticket, mut state) = (field(detail, "ticket"), field(detail, "state"));
    while state == "pending" {
        let sql = format!("SHOW backstop.wait.\"{ticket}\"");
        let (json,): (String,) = sqlx::query_as(&sql).fetch_one(&mut *c).await?;
        state = field(&json, "state");
    }
    Ok(state)
}

/// Run one statement; where it is held, the same statement again once it is approved.
async fn when_approved(c: &mut PgConnection, sql: &str, paid: bool) -> Result<u64, sqlx::Error> {
    loop {
        match sqlx::query(sql).bind(paid).execute(&mut *c).await {
            Err(e) if said(&e).is_some_and(|s| s.code() == "ZB001") => {
                println!("held");
                let detail = said(&e).and_then(|s| s.detail()).unwrap_or_default();
                if decided(c, detail).await? != "approved" {
                    return Err(e);
                }
            }
            // It ran, or it will not: ZB002 is an operator's no.
            other => return other.map(|done| done.rows_affected()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sqlx::Error> {
    let url = std::env::args().nth(1).expect("a connection string");
    let mut c = PgConnection::connect(&url).await?;

    let (n,): (i64,) = sqlx::query_as("SELECT count(*) FROM orders").fetch_one(&mut c).await?;
    println!("read {n}");

    match when_approved(&mut c, "DELETE FROM orders WHERE paid = $1", false).await {
        Ok(rows) => println!("deleted {rows}"),
        Err(e) => match said(&e) {
            Some(s) => {
                println!("stopped {} {}", s.code(), s.message());
                std::process::exit(3);
            }
            None => return Err(e),
        },
    }
    Ok(())
}
