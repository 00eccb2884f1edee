//! tokio-postgres against one database; see ../__init__.py.
//!
//!     clients tokio-postgres URL CERTIFICATE-OF-ANOTHER direct|gateway

use std::error::Error;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, TryStreamExt, future, stream};
use openssl::ssl::{SslConnector, SslMethod};
use postgres_openssl::MakeTlsConnector;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, SimpleQueryMessage};

type Done = Result<(), Box<dyn Error>>;

const WORD: &str = "SELECT word FROM club.types WHERE id = $1";
const HELD: &str = "UPDATE club.held SET times = times + 1 WHERE id <= $1";
const IDS: &str = "SELECT id FROM club.types ORDER BY id";

fn check<T: PartialEq + Debug>(got: T, wanted: T) -> Done {
    if got == wanted { Ok(()) } else { Err(format!("{got:?} is not {wanted:?}").into()) }
}

struct Open {
    client: Client,
    tls: MakeTlsConnector,
    heard: mpsc::UnboundedReceiver<String>,
}

/// Its own reading of URLs knows neither verify-full nor sslrootcert.
async fn open(url: &str, ca: &str) -> Result<Open, Box<dyn Error>> {
    let mut connector = SslConnector::builder(SslMethod::tls())?;
    connector.set_ca_file(ca)?;
    let tls = MakeTlsConnector::new(connector.build());
    let plain = url.split('?').next().unwrap_or(url);
    let mut config: Config = plain.parse()?;
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    config.channel_binding(tokio_postgres::config::ChannelBinding::Require);
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let (says, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(n) = message {
                let _ = says.send(n.payload().to_string());
            }
        }
    });
    Ok(Open { client, tls, heard })
}

fn of_url(url: &str, name: &str) -> String {
    let rest = url.split(&format!("{name}=")).nth(1).unwrap_or("");
    rest.split('&').next().unwrap_or("").replace("%2F", "/")
}

fn fields(error: &tokio_postgres::Error) -> Value {
    match error.as_db_error() {
        Some(e) => json!({"sqlstate": e.code().code(), "message": e.message(), "detail": e.detail()}),
        None => json!({"sqlstate": null, "message": error.to_string(), "detail": null}),
    }
}

fn sqlstate<T>(result: Result<T, tokio_postgres::Error>) -> Value {
    match result {
        Ok(_) => Value::Null,
        Err(error) => fields(&error)["sqlstate"].clone(),
    }
}

async fn tls(url: &str, other: &str) -> Done {
    match open(url, other).await {
        Ok(_) => Err("the certificate is not verified".into()),
        Err(error) => {
            let said = format!("{error:?}");
            if said.contains("certificate verify failed") { Ok(()) } else { Err(said.into()) }
        }
    }
}

async fn unprepared(c: &Client) -> Done {
    for message in c.simple_query("SELECT 1, 'two', NULL; SELECT 1, 'two', NULL").await? {
        if let SimpleQueryMessage::Row(row) = message {
            check((row.get(0), row.get(1), row.get(2)), (Some("1"), Some("two"), None))?;
        }
    }
    Ok(())
}

async fn parameters(c: &Client) -> Done {
    let (raw, none): (&[u8], Option<&str>) = (&[0, 1, 255], None);
    let row = c
        .query_one(
            "SELECT $1::int + 1, $2::text, $3::bytea, $4::int4[], $5::text",
            &[&41i32, &"it's \\ ☃", &raw, &vec![1i32, 2], &none],
        )
        .await?;
    check((row.get(0), row.get(1), row.get(2)), (42i32, "it's \\ ☃", raw))?;
    check((row.get(3), row.get(4)), (vec![1i32, 2], none))?;
    check(c.query_one(WORD, &[&7i32]).await?.get(0), "wörd 7")
}

async fn prepared(c: &Client) -> Done {
    let word = c.prepare(WORD).await?;
    for n in 1..=10i32 {
        check(c.query_one(&word, &[&n]).await?.get::<_, String>(0), format!("wörd {n}"))?;
    }
    Ok(())
}

/// The only one that it has, but for simple queries.
async fn binary(c: &Client) -> Done {
    let row = c.query_one("SELECT big, bytes FROM club.types WHERE id = 7", &[]).await?;
    let bytes: Vec<u8> = row.get(1);
    check((row.get(0), bytes[0]), (7_000_000_000_000i64, 0x8f))
}

async fn server_side_cursor(c: &mut Client) -> Done {
    let transaction = c.transaction().await?;
    let portal = transaction.bind(IDS, &[]).await?;
    let mut got: Vec<i32> = Vec::new();
    loop {
        let some = transaction.query_portal(&portal, 7).await?;
        if some.is_empty() {
            break;
        }
        got.extend(some.iter().map(|row| row.get::<_, i32>(0)));
    }
    transaction.commit().await?;
    check(got, (1..=50).collect())
}

async fn copy_out(c: &Client) -> Done {
    let pieces: Vec<_> = c.copy_out(&format!("COPY ({IDS}) TO STDOUT")).await?.try_collect().await?;
    check(pieces.len(), 50)
}

async fn copy_in(c: &Client) -> Done {
    let sink = c.copy_in("COPY club.inbox FROM STDIN").await?;
    futures_util::pin_mut!(sink);
    for n in 0..1000 {
        sink.send(std::io::Cursor::new(format!("{n}\tline\n").into_bytes())).await?;
    }
    check(sink.finish().await?, 1000)
}

async fn pipeline(c: &Client) -> Done {
    let statement = c.prepare("SELECT $1::int").await?;
    let asked = (0..100i32).map(|n| {
        let statement = &statement;
        async move { c.query_one(statement, &[&n]).await.map(|row| row.get::<_, i32>(0)) }
    });
    check(future::try_join_all(asked).await?, (0..100).collect())
}

async fn notify(c: &Client, heard: &mut mpsc::UnboundedReceiver<String>) -> Done {
    c.batch_execute("LISTEN club").await?;
    c.batch_execute("NOTIFY club, 'news'").await?;
    let payload = tokio::time::timeout(Duration::from_secs(5), heard.recv()).await?;
    check(payload.as_deref(), Some("news"))
}

async fn cancel(c: &Client, tls: &MakeTlsConnector) -> Done {
    let (token, tls, began) = (c.cancel_token(), tls.clone(), Instant::now());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(tls).await
    };
    let (ended, stopped) = future::join(c.batch_execute("SELECT pg_sleep(30)"), stop).await;
    stopped?;
    check(sqlstate(ended), json!("57014"))?;
    check(began.elapsed() < Duration::from_secs(5), true)?;
    check(c.query_one("SELECT 1", &[]).await?.get(0), 1i32)
}

async fn error_in_a_transaction(c: &mut Client) -> Done {
    let transaction = c.transaction().await?;
    transaction.execute("INSERT INTO club.inbox VALUES (-1, 'lost')", &[]).await?;
    check(sqlstate(transaction.query("SELECT 1/0", &[]).await), json!("22012"))?;
    check(sqlstate(transaction.query("SELECT 1", &[]).await), json!("25P02"))?;
    transaction.rollback().await?;
    let transaction = c.transaction().await?;
    transaction.execute("INSERT INTO club.inbox VALUES (-2, 'kept')", &[]).await?;
    transaction.commit().await?;
    check(c.query_one("SELECT word FROM club.inbox WHERE n < 0", &[]).await?.get(0), "kept")
}

async fn refusal(c: &Client) -> Result<Value, Box<dyn Error>> {
    match c.execute(HELD, &[&3i32]).await {
        Ok(_) => Err("it was not refused".into()),
        Err(error) => Ok(fields(&error)),
    }
}

async fn held(c: &Client, direct: bool) -> Done {
    if direct {
        return check(c.execute(HELD, &[&3i32]).await?, 3);
    }
    let first = refusal(c).await?;
    println!("{}", json!({"held": first}));
    std::io::stdin().read_line(&mut String::new())?;
    check(c.execute(HELD, &[&3i32]).await?, 3)?;
    let again = refusal(c).await?;
    check(&again["sqlstate"], &json!("ZB001"))?;
    check(again["detail"] == first["detail"], false)
}

/// Of tokio-postgres.
fn version() -> &'static str {
    let rest = include_str!("../Cargo.lock").split("name = \"tokio-postgres\"\nversion = \"").nth(1);
    rest.and_then(|text| text.split('"').next()).unwrap_or("unknown")
}

fn said(item: &str, done: Done) {
    println!(
        "{}",
        match done {
            Ok(()) => json!({"item": item, "result": "passed"}),
            Err(error) => json!({"item": item, "result": "failed", "why": format!("{error:?}")}),
        }
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let args: Vec<String> = std::env::args().collect();
    let (url, other, direct) = (&args[2], &args[3], args[4] == "direct");
    let Open { client: mut c, tls: connector, mut heard } = open(url, &of_url(url, "sslrootcert")).await?;

    println!("{}", json!({"client": args[1], "version": version()}));
    said("tls", tls(url, other).await);
    said("unprepared", unprepared(&c).await);
    said("parameters", parameters(&c).await);
    said("prepared", prepared(&c).await);
    said("binary", binary(&c).await);
    said("server_side_cursor", server_side_cursor(&mut c).await);
    said("copy_out", copy_out(&c).await);
    said("copy_in", copy_in(&c).await);
    said("pipeline", pipeline(&c).await);
    said("notify", notify(&c, &mut heard).await);
    said("cancel", cancel(&c, &connector).await);
    said("error_in_a_transaction", error_in_a_transaction(&mut c).await);
    said("held", held(&c, direct).await);
    Ok(())
}
