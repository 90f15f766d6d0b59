//! `POST /kill`: ends an actor where it stands.

use actix_web::{HttpResponse, web};
use odeon_kernel::supervisor::SupervisionNode;
use serde::Deserialize;
use serde_json::json;

use super::{CHILDREN_SHOWN, Sources, TREE_LIMIT};

#[derive(Debug, Deserialize)]
pub(super) struct Kill {
    /// The names of its supervisors from below the top, and its own, with `/` between them.
    actor: String,
}

pub(super) async fn kill(sources: web::Data<Sources>, asked: web::Json<Kill>) -> HttpResponse {
    if !sources.may_kill {
        let error = "this node kills no actors: odeon.developer.kill.actors is not set";
        return HttpResponse::Forbidden().json(json!({"error": error}));
    }
    let path = asked.actor.trim_matches('/');
    match sources.tree.kill(path, TREE_LIMIT).await {
        Ok(true) => HttpResponse::Ok().json(json!({"killed": path})),
        Ok(false) => {
            let error = match sources.tree.tree(CHILDREN_SHOWN, TREE_LIMIT).await {
                Ok(top) => whats_missing(&top, path),
                Err(error) => error.to_string(),
            };
            HttpResponse::NotFound().json(json!({"error": error}))
        }
        Err(error) => HttpResponse::ServiceUnavailable().json(json!({"error": error.to_string()})),
    }
}

/// Names told to whoever misspelt one.
const NAMES_TOLD: usize = 20;

/// How far a path leads, and where it could go on.
fn whats_missing(top: &SupervisionNode, path: &str) -> String {
    let mut at = top;
    for name in path.split('/') {
        match at.children.iter().find(|child| *child.name == *name) {
            Some(child) => at = child,
            None => {
                let names = at.children.iter().map(|child| &*child.name);
                let names: Vec<_> = names.take(NAMES_TOLD).collect();
                let more = match at.children.len() + at.omitted > names.len() {
                    true => ", ...",
                    false => "",
                };
                let has = match names.is_empty() {
                    true => "nothing".to_owned(),
                    false => names.join(", ") + more,
                };
                return format!("there is no actor '{name}' in {}, which has {has}", at.name);
            }
        }
    }
    format!("the actor {path} does not run: it is {:?}", at.state)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use odeon_kernel::supervisor::ChildState;

    use super::*;

    fn node(name: &str, children: Vec<SupervisionNode>) -> SupervisionNode {
        SupervisionNode {
            name: Arc::from(name),
            actor_id: None,
            state: ChildState::BackingOff,
            restarts: 0,
            last_exit: None,
            children,
            omitted: 0,
        }
    }

    #[test]
    fn who_misspells_an_actor_is_told_which_there_are() {
        let roles = node("Roles", vec![node("Broker", vec![]), node("Other", vec![])]);
        let top = node("Node", vec![roles]);
        let told = [
            ("Role", "there is no actor 'Role' in Node, which has Roles"),
            (
                "Roles/Brok/x",
                "there is no actor 'Brok' in Roles, which has Broker, Other",
            ),
            (
                "Roles/Broker/x",
                "there is no actor 'x' in Broker, which has nothing",
            ),
            (
                "Roles/Broker",
                "the actor Roles/Broker does not run: it is BackingOff",
            ),
        ];
        for (path, text) in told {
            assert_eq!(whats_missing(&top, path), text);
        }
    }
}
