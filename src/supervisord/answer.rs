//! Between calls and XML-RPC: which method a [`Call`] is, and what its value means.

use super::fault::without_values;
use super::process::{ProcessInfo, ProcessState};
use super::xmlrpc::{Method, Param, Response, Value, shorten};
use super::{Answer, Call, Fault, FaultCode, Reload};

/// The method and parameters of a call.
pub(super) fn method(call: &Call) -> Method<'_> {
    // The false of a stop and a start is `wait`: answer at once instead of when it is done.
    let (name, params) = match call {
        Call::GetSupervisorVersion => ("supervisor.getSupervisorVersion", vec![]),
        Call::GetPid => ("supervisor.getPID", vec![]),
        Call::ReloadConfig => ("supervisor.reloadConfig", vec![]),
        Call::GetAllProcessInfo => ("supervisor.getAllProcessInfo", vec![]),
        Call::GetProcessInfo(name) => ("supervisor.getProcessInfo", vec![Param::Text(name)]),
        Call::AddProcessGroup(group) => ("supervisor.addProcessGroup", vec![Param::Text(group)]),
        Call::RemoveProcessGroup(group) => {
            ("supervisor.removeProcessGroup", vec![Param::Text(group)])
        }
        Call::StopProcess(name) => {
            ("supervisor.stopProcess", vec![Param::Text(name), Param::Bool(false)])
        }
        Call::StartProcess(name) => {
            ("supervisor.startProcess", vec![Param::Text(name), Param::Bool(false)])
        }
    };
    Method { name, params }
}

/// The answers of a multicall, in the order of `calls`. The error says what is not as it should be.
pub(super) fn answers(
    calls: &[Call],
    response: Response,
) -> Result<Vec<Result<Answer, Fault>>, String> {
    let values = match response {
        Response::Value(Value::Array(values)) => values,
        Response::Value(_) => {
            return Err("the answer to system.multicall is not an array".to_owned());
        }
        Response::Fault(value) => {
            let fault = fault(&value).ok_or("a fault without code and text")?;
            return Ok(calls.iter().map(|_| Err(fault.clone())).collect());
        }
    };
    if values.len() != calls.len() {
        return Err(format!("{} answers to {} calls", values.len(), calls.len()));
    }
    calls.iter().zip(values).map(|(call, value)| one(call, value)).collect()
}

/// In supervisord's multicall a result stands as it is; only faults are marked, by their struct.
fn one(call: &Call, value: Value) -> Result<Result<Answer, Fault>, String> {
    if let Some(fault) = fault(&value) {
        return Ok(Err(fault));
    }
    let answer = match (call, value) {
        (Call::GetSupervisorVersion, Value::Text(text)) => Some(Answer::Text(text)),
        (Call::GetPid, Value::Int(number)) => Some(Answer::Number(number)),
        (Call::ReloadConfig, value) => reload(value).map(Answer::Reload),
        (Call::GetAllProcessInfo, Value::Array(processes)) => {
            let processes = processes.iter().map(process).collect::<Result<_, _>>()?;
            Some(Answer::Processes(processes))
        }
        (Call::GetProcessInfo(_), value @ Value::Struct(_)) => {
            Some(Answer::Process(Box::new(process(&value)?)))
        }
        (
            Call::AddProcessGroup(_)
            | Call::RemoveProcessGroup(_)
            | Call::StopProcess(_)
            | Call::StartProcess(_),
            Value::Bool(true),
        ) => Some(Answer::Done),
        _ => None,
    };
    answer.map(Ok).ok_or_else(|| format!("an unexpected value for {}", method(call).name))
}

fn fault(value: &Value) -> Option<Fault> {
    let code = FaultCode::from_number(int(value, "faultCode").ok()?);
    let text = text(value, "faultString").ok()?;
    Some(Fault { code, text: cut(without_values(&text)) })
}

/// A fault's text is a line, or a traceback. More is no help to anybody.
const LONGEST_FAULT: usize = 4 * 1024;

fn cut(mut text: String) -> String {
    if text.len() > LONGEST_FAULT {
        let length = text.len();
        text.truncate(text.floor_char_boundary(LONGEST_FAULT));
        let left_out = length - text.len();
        text.push_str(&format!("… ({left_out} more bytes are left out)"));
    }
    text
}

/// `[[added, changed, removed]]`: the outer array always has one element.
fn reload(value: Value) -> Option<Reload> {
    let [inner] = array(value)?;
    let [added, changed, removed] = array(inner)?;
    Some(Reload { added: names(added)?, changed: names(changed)?, removed: names(removed)? })
}

fn array<const N: usize>(value: Value) -> Option<[Value; N]> {
    match value {
        Value::Array(values) => values.try_into().ok(),
        _ => None,
    }
}

fn names(value: Value) -> Option<Vec<String>> {
    let Value::Array(values) = value else { return None };
    values
        .into_iter()
        .map(|value| if let Value::Text(text) = value { Some(text) } else { None })
        .collect()
}

fn process(value: &Value) -> Result<ProcessInfo, String> {
    Ok(ProcessInfo {
        group: text(value, "group")?,
        name: text(value, "name")?,
        state: ProcessState::from_number(int(value, "state")?),
        pid: int(value, "pid")?,
        start: int(value, "start")?,
        stop: int(value, "stop")?,
        now: int(value, "now")?,
        exitstatus: int(value, "exitstatus")?,
        spawnerr: text(value, "spawnerr")?,
    })
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Struct(members) = value else { return None };
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn int(value: &Value, name: &str) -> Result<i64, String> {
    match member(value, name) {
        Some(Value::Int(number)) => Ok(*number),
        _ => Err(format!("no number `{}`", shorten(name))),
    }
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    match member(value, name) {
        Some(Value::Text(text)) => Ok(text.clone()),
        _ => Err(format!("no text `{}`", shorten(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Value {
        Value::Array(names.iter().map(|name| Value::Text((*name).to_owned())).collect())
    }

    fn fault_value(code: i64, text: &str) -> Value {
        Value::Struct(vec![
            ("faultCode".into(), Value::Int(code)),
            ("faultString".into(), Value::Text(text.into())),
        ])
    }

    #[test]
    fn each_call_gets_its_answer() {
        let calls =
            [Call::ReloadConfig, Call::AddProcessGroup("web".into()), Call::GetSupervisorVersion];
        let difference =
            Value::Array(vec![Value::Array(vec![texts(&["a"]), texts(&["b", "c"]), texts(&[])])]);
        let response = Response::Value(Value::Array(vec![
            difference,
            fault_value(90, "ALREADY_ADDED: web"),
            Value::Text("4.2.5".into()),
        ]));
        let reload = Reload {
            added: vec!["a".into()],
            changed: vec!["b".into(), "c".into()],
            removed: vec![],
        };
        assert_eq!(
            answers(&calls, response),
            Ok(vec![
                Ok(Answer::Reload(reload)),
                Err(Fault::new(FaultCode::AlreadyAdded, "web")),
                Ok(Answer::Text("4.2.5".into())),
            ])
        );
    }

    #[test]
    fn long_fault_tells_what_is_missing() {
        let response = Response::Fault(fault_value(92, &"x".repeat(30_000_000)));
        let fault = answers(&[Call::GetPid], response).unwrap().remove(0).unwrap_err();
        assert!(
            fault.text.ends_with("x… (29995904 more bytes are left out)"),
            "{}",
            fault.text.len()
        );
    }

    #[test]
    fn multicall_fault_is_everyones() {
        let response = Response::Fault(fault_value(6, "SHUTDOWN_STATE"));
        let answers = answers(&[Call::GetPid, Call::GetSupervisorVersion], response).unwrap();
        assert_eq!(answers.len(), 2);
        for answer in answers {
            assert_eq!(answer.unwrap_err().code, FaultCode::ShutdownState);
        }
    }

    #[test]
    fn unexpected_answer_is_refused() {
        let refused =
            |call, value| answers(&[call], Response::Value(Value::Array(vec![value]))).unwrap_err();
        refused(Call::GetPid, Value::Text("4".into()));
        refused(Call::ReloadConfig, texts(&["a"]));
        refused(Call::ReloadConfig, Value::Array(vec![Value::Array(vec![texts(&[])])]));
        refused(Call::AddProcessGroup("a".into()), Value::Bool(false));
        // What a group's namespec would answer: per-process results that must not be dropped.
        refused(Call::StopProcess("a:*".into()), Value::Array(vec![]));
        refused(Call::GetAllProcessInfo, Value::Array(vec![Value::Struct(vec![])]));
        assert!(answers(&[Call::GetPid], Response::Value(Value::Int(1))).is_err());
        assert!(answers(&[Call::GetPid], Response::Value(Value::Array(vec![]))).is_err());
        assert!(answers(&[Call::GetPid], Response::Fault(Value::Int(1))).is_err());
    }
}
