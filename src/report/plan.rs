//! A plan on the screen or as one document.

use phases::plan::Plan;

use crate::terminal::Terminal;

/// Prints it.
pub fn print(terminal: &Terminal, plan: &Plan) {
    if terminal.json {
        let mut document = serde_json::json!({ "schema": 1 });
        if let (Some(document), Ok(serde_json::Value::Object(fields))) =
            (document.as_object_mut(), serde_json::to_value(plan))
        {
            document.extend(fields);
        }
        terminal.data(&document.to_string());
        return;
    }
    for line in plan.to_string().lines() {
        terminal.text(line);
    }
}
