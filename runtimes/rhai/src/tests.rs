//! The runtime as the host sees it, run natively.

use crate::host::take_records;
use crate::session::now_ms;
use crate::{Roots, Runtime};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Directories of a function, and a runtime that looks at them.
struct Function {
    runtime: Runtime,
    directory: TempDir,
}

impl Function {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let runtime = Runtime::start(Roots { task: directory.path().join("task"), opt: directory.path().join("opt") });
        take_records();
        Self { runtime, directory }
    }

    /// One that has only `task/app.rhai` and is loaded.
    fn of(script: &str) -> Self {
        let mut function = Self::new(&[("task/app.rhai", script)]);
        assert_eq!(function.load("app.handler"), (0, Value::Null));
        function
    }

    fn load(&mut self, handler: &str) -> (u8, Value) {
        self.load_with(handler, &json!({}))
    }

    fn load_with(&mut self, handler: &str, more: &Value) -> (u8, Value) {
        let mut argument = json!({"handler": handler, "env": {"STAGE": "test", "TZ": ":UTC"}, "functionName": "f"});
        argument.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let frame = self.runtime.load(argument.to_string().as_bytes()).unwrap();
        self.shown(frame.into_bytes())
    }

    fn invoke(&mut self, event: &Value) -> (u8, Value) {
        let context =
            json!({"requestId": "id-1", "deadlineMs": now_ms() + 3000, "functionName": "f", "streaming": false});
        let frame = self.runtime.invoke(context.to_string().as_bytes(), event.to_string().as_bytes()).unwrap();
        self.shown(frame.into_bytes())
    }

    fn ok(&mut self, event: &Value) -> Value {
        let (tag, body) = self.invoke(event);
        assert_eq!(tag, 0, "{body}");
        body
    }

    /// A frame's tag and body, without the place of the directories.
    fn shown(&self, frame: Vec<u8>) -> (u8, Value) {
        let (tag, body) = frame.split_first().unwrap();
        let text =
            String::from_utf8(body.to_vec()).unwrap().replace(&format!("{}/", self.directory.path().display()), "");
        (*tag, serde_json::from_str(&text).unwrap_or_default())
    }
}

fn error(error_type: &str, message: &str, trace: &[&str]) -> (u8, Value) {
    (1, json!({"errorType": error_type, "errorMessage": message, "stackTrace": trace}))
}

fn invocation_error(error_type: &str, message: &str, trace: &[&str]) -> (u8, Value) {
    let (tag, mut document) = error(error_type, message, trace);
    document.as_object_mut().unwrap().insert("requestId".into(), "id-1".into());
    (tag, document)
}

#[test]
fn an_event_becomes_a_response() {
    let mut function =
        Function::of("fn handler(event, context) { event.count += 1; event.seen = context.requestId; event }");
    let event = json!({"count": 1, "list": [1.5, null, true, "ü"]});
    assert_eq!(function.ok(&event), json!({"count": 2, "list": [1.5, null, true, "ü"], "seen": "id-1"}));
    assert_eq!(Function::of("fn handler(event, context) { event }").ok(&json!("text")), json!("text"));
    assert_eq!(Function::of("fn handler(event, context) { }").ok(&json!(1)), Value::Null);
    assert_eq!(Function::of("fn f() { exit(7); } fn handler(event, context) { f(); 8 }").ok(&json!(1)), json!(7));
}

#[test]
fn scripts_see_their_environment() {
    let mut function = Function::of(
        r#"fn handler(event, context) {
            let r = random();
            #{stage: env("STAGE"), absent: env("ABSENT"), all: env().len(), time: remaining_ms() > 2000 && context.remaining_ms() <= 3000,
              random: r >= 0.0 && r < 1.0 && r != random()}
        }"#,
    );
    let expected = json!({"stage": "test", "absent": null, "all": 2, "time": true, "random": true});
    assert_eq!(function.ok(&Value::Null), expected);
    let frame = function.runtime.restore(br#"{"env": {"STAGE": "restored"}, "logStream": "s"}"#).unwrap();
    assert_eq!(frame.into_bytes(), [0]);
    assert_eq!(function.ok(&Value::Null)["stage"], json!("restored"));
}

#[test]
fn a_file_runs_once_and_its_constants_stay() {
    let mut function = Function::of(
        "print(\"loading\"); const TABLE = [1, 2, 3]; fn handler(event, context) { global::TABLE[event] }",
    );
    assert_eq!((function.ok(&json!(0)), function.ok(&json!(2))), (json!(1), json!(3)));
    assert_eq!(take_records().len(), 1);
}

#[test]
fn files_import_each_other_from_package_and_layers() {
    let mut function = Function::new(&[
        (
            "task/src/app.rhai",
            r#"import "lib/text" as text; import "shared" as s; fn handler(e, c) { text::loud(e) + s::MARK }"#,
        ),
        ("task/lib/text.rhai", r#"import "more" as more; fn loud(t) { t.to_upper() + more::mark() }"#),
        ("opt/more.rhai", "fn mark() { \"!\" }"),
        ("opt/rhai/shared.rhai", "export const MARK = \"?\";"),
        ("opt/shared.rhai", "export const MARK = \"not first\";"),
    ]);
    assert_eq!(function.load("src/app.handler"), (0, Value::Null));
    assert_eq!(function.ok(&json!("a")), json!("A!?"));
}

#[test]
fn a_start_that_fails_says_why() {
    let mut function = Function::new(&[
        ("task/syntax.rhai", "fn handler(event, context) {\n  let = 1;\n}"),
        ("task/imports.rhai", "\nimport \"absent\" as x;"),
        ("task/outside.rhai", "import \"../outside\" as x;"),
        ("task/circle.rhai", "import \"circle\" as x;"),
        ("task/inner.rhai", "import \"syntax\" as x;"),
        ("task/fails.rhai", "fn f() { throw \"no\" }\nf();"),
        ("task/private.rhai", "private fn handler(event, context) { } fn one(event) { }"),
    ]);
    let syntax = "Syntax error: Expecting name of a variable (line 2, position 7)";
    assert_eq!(
        function.load("syntax.handler"),
        error("Runtime.UserCodeSyntaxError", syntax, &["task/syntax.rhai:2:7"])
    );
    let places = ["task/syntax.rhai:2:7", "task/inner.rhai:1:8"];
    assert_eq!(function.load("inner.handler"), error("Runtime.UserCodeSyntaxError", syntax, &places));
    let absent = "Module not found: absent (line 2, position 8)";
    assert_eq!(
        function.load("imports.handler"),
        error("Runtime.ImportModuleError", absent, &["task/imports.rhai:2:8"])
    );
    assert_eq!(function.load("outside.handler").1["errorType"], "Runtime.ImportModuleError");
    let circle = function.load("circle.handler").1;
    assert!(circle["errorMessage"].as_str().unwrap().contains("imports itself"), "{circle}");
    let nothing = "Unable to import module 'nothing': there is no nothing.rhai in the package or its layers";
    assert_eq!(function.load("nothing.handler"), error("Runtime.ImportModuleError", nothing, &[]));
    let fails = function.load("fails.handler");
    assert_eq!(fails, error("ErrorRuntime", "no", &["f (task/fails.rhai:1:10)", "task/fails.rhai:2:1"]));
    for handler in ["private.handler", "private.one", "private.none", "private.", "private.global::x"] {
        assert_eq!(function.load(handler).1["errorType"], "Runtime.HandlerNotFound", "{handler}");
    }
    assert_eq!(function.load("handler").1["errorType"], "Runtime.MalformedHandlerName");
    assert_eq!(function.load("../task/private.handler").1["errorType"], "Runtime.ImportModuleError");
}

#[test]
fn errors_of_scripts_have_types_and_places() {
    let mut function = Function::new(&[
        (
            "task/app.rhai",
            r#"import "lib" as lib;
fn handler(event, context) {
  switch event {
    "throw" => throw "text",
    "typed" => throw #{errorType: "Own.Error", errorMessage: "said"},
    "name" => absent,
    "call" => absent(1),
    "math" => 1 / 0,
    "deep" => lib::outer(2),
    "closure" => [1].map(|x| x / 0),
    "caught" => { try { 1 / 0; } catch { return "caught"; } }
    "nan" => 0.0 / 0.0,
    "json" => parse_json("{"),
    "http" => http_get("http://a.test/"),
  }
}"#,
        ),
        ("task/lib.rhai", "fn outer(x) {\n  inner(x)\n}\nfn inner(x) {\n  x.absent()\n}"),
    ]);
    assert_eq!(function.load("app.handler"), (0, Value::Null));
    let mut given = |event: &str| function.invoke(&json!(event));
    assert_eq!(given("throw"), invocation_error("ErrorRuntime", "text", &["handler (task/app.rhai:4:16)"]));
    assert_eq!(given("typed"), invocation_error("Own.Error", "said", &["handler (task/app.rhai:5:16)"]));
    let message = "Variable not found: absent (line 6, position 15)";
    assert_eq!(given("name"), invocation_error("ErrorVariableNotFound", message, &["handler (task/app.rhai:6:15)"]));
    let message = "Function not found: absent (i64) (line 7, position 15)";
    assert_eq!(given("call"), invocation_error("ErrorFunctionNotFound", message, &["handler (task/app.rhai:7:15)"]));
    assert_eq!(given("math").1["errorType"], "ErrorArithmetic");
    let (_, deep) = given("deep");
    let places = ["inner (task/lib.rhai:5:5)", "outer (task/lib.rhai:2:3)", "handler (task/app.rhai:9:20)"];
    assert_eq!(deep["stackTrace"], json!(places), "{deep}");
    let (_, closure) = given("closure");
    assert_eq!(closure["stackTrace"][0], json!("closure (task/app.rhai:10:32)"), "{closure}");
    assert_eq!(given("caught"), (0, json!("caught")));
    let message = "Unable to marshal response: NaN is not in JSON";
    assert_eq!(given("nan"), invocation_error("Runtime.MarshalError", message, &[]));
    assert_eq!(given("json").1["errorType"], "JsonError");
    let http = given("http");
    assert_eq!(http, invocation_error("HttpError", "requests are not allowed", &["handler (task/app.rhai:14:15)"]));
}

#[test]
fn an_event_that_is_no_json_is_an_error() {
    let mut function = Function::of("fn handler(event, context) { event }");
    let frame = function.runtime.invoke(br#"{"requestId": "id-1", "deadlineMs": 1}"#, b"{").unwrap();
    assert_eq!(function.shown(frame.into_bytes()).1["errorType"], "Runtime.UnmarshalError");
}

#[test]
fn what_is_not_the_contracts_gets_no_answer() {
    let mut function = Function::new(&[]);
    assert!(function.runtime.load(b"{}").is_none());
    assert!(function.runtime.restore(b"[]").is_none());
    assert!(function.runtime.invoke(br#"{"requestId": "id-1", "deadlineMs": 1}"#, b"1").is_none(), "nothing is loaded");
    assert!(Function::of("fn handler(e, c) { }").runtime.invoke(b"{}", b"1").is_none());
}

#[test]
fn recursion_is_an_error() {
    // Code that is not optimised takes more stack than a thread of a test's has; `tests/runtimes/` has the same in the module itself.
    std::thread::Builder::new().stack_size(1 << 30).spawn(recursion).unwrap().join().unwrap();
}

fn recursion() {
    let nested = |inner: &str| format!("{}{inner}{}", "(1 + ".repeat(10), ")".repeat(10));
    for call in ["f(n + 1)", "(|x| f(x + 1)).call(n)", "[n].map(|x| f(x))[0]"] {
        let script = format!("fn f(n) {{ {} }} fn handler(event, context) {{ f(0) }}", nested(call));
        let mut function = Function::of(&script);
        for _ in 0..2 {
            assert_eq!(function.invoke(&Value::Null).1["errorType"], "ErrorStackOverflow", "{call}");
        }
    }
    let mut function =
        Function::of("fn f(n) { if n == 0 { 0 } else { 1 + f(n - 1) } } fn handler(event, context) { f(event) }");
    assert_eq!(function.ok(&json!(100)), json!(100));
}

#[test]
fn records_have_lambdas_shapes() {
    const SCRIPT: &str = "fn handler(event, context) {\n  print(\"two\\nlines\");\n  debug(#{a: 1});\n  throw \"x\"\n}";
    let mut function = Function::of(SCRIPT);
    function.invoke(&Value::Null);
    let records = take_records();
    let fields: Vec<Vec<&str>> = records.iter().map(|record| record.split('\t').skip(1).collect()).collect();
    assert_eq!(fields[0], ["id-1", "INFO", "two\nlines"]);
    assert!(fields[1].starts_with(&["id-1", "DEBUG"]) && fields[1][2].ends_with("app.rhai:3:3"), "{records:?}");
    assert_eq!(fields[1][3], "#{\"a\": 1}");
    assert_eq!(fields[2][..2], ["id-1", "ERROR"]);
    assert_eq!(serde_json::from_str::<Value>(fields[2][2]).unwrap()["errorMessage"], "x");

    let mut function = Function::new(&[("task/app.rhai", SCRIPT)]);
    function.load_with("app.handler", &json!({"logFormat": "JSON", "logLevel": "INFO"}));
    function.invoke(&Value::Null);
    let records: Vec<Value> = take_records().iter().map(|record| serde_json::from_str(record).unwrap()).collect();
    let said =
        json!({"timestamp": records[0]["timestamp"], "level": "INFO", "requestId": "id-1", "message": "two\nlines"});
    assert_eq!(records[0], said);
    assert_eq!((&records[1]["level"], &records[1]["errorType"]), (&json!("ERROR"), &json!("ErrorRuntime")));
    assert!(records[1]["timestamp"].as_str().unwrap().ends_with('Z') && records.len() == 2, "{records:?}");
}

#[test]
fn json_in_scripts() {
    let mut function = Function::of(
        r##"fn handler(event, context) {
            [parse_json("[1, {\"a\": null}]"), #{a: [1.0, ()], b: "é"}.to_json(), to_json([1]), to_json("x")]
        }"##,
    );
    assert_eq!(function.ok(&Value::Null), json!([[1, {"a": null}], "{\"a\":[1.0,null],\"b\":\"é\"}", "[1]", "\"x\""]));
}
