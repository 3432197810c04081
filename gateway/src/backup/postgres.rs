//! `pg_dump` and `pg_restore`: found, held to the server's version, and called without a password in sight.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Url;

use super::BackupError;

/// In the custom format, of the moment that `snapshot` names.
pub(super) async fn dump(url: &str, snapshot: &str, server_version: i64, to: &Path) -> Result<(), BackupError> {
    let version = version("pg_dump").await?;
    let server = server_version / 10_000;
    if version < server {
        return Err(BackupError::Program(format!(
            "pg_dump is of version {version}, and the server of version {server}: install the client programs of version {server} or newer"
        )));
    }
    let mut command = command("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--no-password"]);
    // The mark says that this database was restored once: of the next one that will be true by itself.
    command.args(["--exclude-table=restore_mark", &format!("--snapshot={snapshot}"), "--file"]).arg(to);
    run(command).await?;
    // What cannot be listed could not be restored either.
    let mut list = Command::new("pg_restore");
    list.arg("--list").arg(to);
    run(list).await
}

/// Into an empty database; whole or not at all.
pub(super) async fn load(url: &str, from: &Path) -> Result<(), BackupError> {
    version("pg_restore").await?;
    let mut command = command("pg_restore", url)?;
    command
        .args(["--no-owner", "--no-privileges", "--no-password", "--exit-on-error", "--single-transaction"])
        .arg(from);
    run(command).await
}

/// The first number of a program's version.
async fn version(program: &'static str) -> Result<i64, BackupError> {
    let mut command = Command::new(program);
    command.arg("--version");
    let text = output(command).await?;
    let number = text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok());
    number.ok_or_else(|| BackupError::Program(format!("{program} --version says '{}'", text.trim())))
}

/// A program that connects to the database. Whoever lists the processes of the machine sees its arguments, so the password is none of
/// them.
fn command(program: &str, url: &str) -> Result<Command, BackupError> {
    let wrong = || BackupError::Program("database.url is no URL that the programs of PostgreSQL understand".to_owned());
    let mut url = Url::parse(url).map_err(|_| wrong())?;
    let mut password = url.password().map(decoded);
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    password = pairs.iter().find(|(name, _)| name == "password").map(|(_, value)| value.clone()).or(password);
    url.set_password(None).map_err(|()| wrong())?;
    // Of the driver, and of no other program.
    let kept = pairs.iter().filter(|(name, _)| name != "password" && name != "statement-cache-capacity");
    let query: Vec<String> = kept.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
    let mut command = Command::new(program);
    command.arg(format!("--dbname={url}"));
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    Ok(command)
}

fn decoded(text: &str) -> String {
    // A plus is a plus here, and not a space as in a form.
    let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

async fn run(command: Command) -> Result<(), BackupError> {
    output(command).await.map(|_| ())
}

async fn output(mut command: Command) -> Result<String, BackupError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.output()).await.map_err(io::Error::other);
    match ended.and_then(|ended| ended) {
        Ok(ended) if ended.status.success() => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
        Ok(ended) => Err(BackupError::Program(String::from_utf8_lossy(&ended.stderr).trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BackupError::Program(format!(
            "{program} is not installed here: install PostgreSQL's client programs (Debian: postgresql-client), in the server's \
             version or newer"
        ))),
        Err(error) => Err(BackupError::Program(format!("{program}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_among_the_arguments() {
        for (url, address) in [
            ("postgres://u:a%2Bb%26@h:5/d", "--dbname=postgres://u@h:5/d"),
            (
                "postgres://u:wrong@h/d?password=a%2Bb%26&sslmode=require&statement-cache-capacity=5",
                "--dbname=postgres://u@h/d?sslmode=require",
            ),
        ] {
            let command = command("pg_dump", url).expect("a URL");
            let arguments: Vec<_> = command.get_args().collect();
            assert_eq!(arguments, [address]);
            let password = command.get_envs().find(|(name, _)| *name == "PGPASSWORD").and_then(|(_, value)| value);
            assert_eq!(password, Some("a+b&".as_ref()), "{url}");
        }
    }
}
