//! By what slices are told apart: the discriminators of a slicing, and what of a slice's rules counts for them.

use serde_json::Value;

use super::compile::text;
use super::rules::{Child, Group, Rules, Step};

/// What of the rules of an element tells a slice from another: what is fixed, in the element or below it.
pub(super) fn essence(rules: Rules) -> Rules {
    if rules.fixed.is_some() || rules.pattern.is_some() {
        return Rules { fixed: rules.fixed, pattern: rules.pattern, ..Rules::default() };
    }
    if rules.binding.is_some() {
        return Rules { binding: rules.binding, ..Rules::default() };
    }
    let essential = |mut child: Child| {
        let slicing = child.group.slicing.filter(|slicing| slicing.slices.iter().any(|slice| slice.group.min > 0));
        child.group.rules = essence(child.group.rules);
        let says_something = !child.group.rules.is_empty() || slicing.is_some();
        child.group = Group { min: 1, max: None, rules: child.group.rules, slicing };
        says_something.then_some(child)
    };
    Rules { children: rules.children.into_iter().filter_map(essential).collect(), ..Rules::default() }
}

/// The discriminators of a slicing, each with its path; those of extensions and choices go without saying.
pub(super) fn discriminators<'v>(said: Option<&'v Value>, name: &str) -> Result<Vec<(&'v str, Vec<Step>)>, String> {
    let listed: Vec<&Value> =
        said.and_then(|said| said.get("discriminator")?.as_array()).into_iter().flatten().collect();
    if listed.is_empty() {
        return match name {
            "extension" | "modifierExtension" => Ok(vec![("value", vec![Step::Child("url".to_owned())])]),
            choice if choice.ends_with("[x]") => Ok(vec![("type", Vec::new())]),
            _ => Err("there is no discriminator".to_owned()),
        };
    }
    let read = |said: &'v Value| -> Result<(&'v str, Vec<Step>), String> {
        Ok((text(said, "type").unwrap_or_default(), steps(text(said, "path").unwrap_or_default())?))
    };
    listed.into_iter().map(read).collect()
}

/// Reads the little of `FHIRPath` that discriminators may use.
fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut found = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let end = match (rest.find('.'), rest.find('(')) {
            // The dots of a URL are within its parentheses.
            (Some(dot), Some(open)) if open < dot => rest.find(')').map_or(rest.len(), |close| close + 1),
            (Some(dot), _) => dot,
            (None, _) => rest.len(),
        };
        let (part, after) = rest.split_at(end);
        rest = after.strip_prefix('.').unwrap_or(after);
        let argument = |function: &str| part.strip_prefix(function)?.strip_suffix(')');
        if part == "$this" {
            continue;
        }
        if let Some(url) = argument("extension(") {
            found.push(Step::Extension(url.trim_matches(['\'', '"']).to_owned()));
        } else if let Some(kind) = argument("ofType(") {
            found.push(Step::OfType(kind.to_owned()));
        } else if part == "resolve()" {
            return Err("resolve() is not evaluated: what is referred to is not fetched".to_owned());
        } else if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("the path {path} is not understood"));
        } else {
            found.push(Step::Child(part.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Step, steps};

    #[test]
    fn the_paths_of_discriminators_are_read_and_what_is_beyond_them_is_named() {
        assert_eq!(steps("$this"), Ok(Vec::new()));
        let child = |name: &str| Step::Child(name.to_owned());
        assert_eq!(steps("coding.system"), Ok(vec![child("coding"), child("system")]));
        let url = Step::Extension("https://example.org/e".to_owned());
        assert_eq!(steps("extension('https://example.org/e').value"), Ok(vec![url, child("value")]));
        let of_type = Step::OfType("Identifier".to_owned());
        assert_eq!(steps("value.ofType(Identifier).type"), Ok(vec![child("value"), of_type, child("type")]));
        assert!(steps("subject.resolve()").is_err_and(|what| what.contains("resolve()")));
        assert!(steps("where(a = 1)").is_err());
    }
}
