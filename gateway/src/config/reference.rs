//! The document of the configuration, made from the table of keys.

use std::fmt::Write as _;

use super::keys::Fallback::{Absent, Required, Value};
use super::keys::Form::{Integer, List, Text};
use super::keys::{Key, all, sections};

/// The text of `docs/configuration.md`: every key with its variable, default and meaning.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for section in sections() {
        let _ = write!(page, "\n## `[{section}]`\n\n| Key | Variable | Default | Meaning |\n|---|---|---|---|\n");
        for key in all().filter(|key| key.section == section) {
            let (name, variable, meaning) = (key.name, key.variable(), key.meaning);
            let fallback = shown_fallback(key);
            let bounds = match key.form {
                Integer(min, max) => format!(" From {min} to {max}."),
                Text | List => String::new(),
            };
            let _ = writeln!(page, "| `{name}` | `{variable}` | {fallback} | {meaning}{bounds} |");
        }
    }
    page
}

fn shown_fallback(key: &Key) -> String {
    match (key.fallback, key.form) {
        (Required, _) => "required".to_owned(),
        (Absent, _) => "none".to_owned(),
        (Value(""), _) => "empty".to_owned(),
        (Value(items), List) => {
            let items: Vec<String> = items.split(',').map(|item| format!("\"{item}\"")).collect();
            format!("`[{}]`", items.join(", "))
        }
        (Value(text), Text) => format!("`\"{text}\"`"),
        (Value(number), Integer(..)) => format!("`{number}`"),
    }
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Made by `wellgate check-config --explain`; a test keeps it so. -->

`wellgate serve --config FILE` reads one TOML file. A variable overrides the file's value; a list in a variable is separated
by commas. Unknown keys and unknown `WELLGATE_` variables are errors (but for `WELLGATE_SERVICE_*` and `WELLGATE_PORT*`, which Kubernetes
sets for a service of that name). `wellgate check-config --config FILE` names everything that is wrong, at once.

```toml
[server]
base_url = \"https://gateway.example.org/fhir\"

[database]
url = \"sqlite:/var/lib/wellgate/wellgate.sqlite\"

[auth]
issuer = \"https://login.example.org\"
audience = \"https://gateway.example.org/fhir\"
jwks_url = \"https://login.example.org/jwks.json\"
```
";
