//! Applies the cluster's own commands: founding, join tokens, admission, data key, feature level. Pure.

use super::replica::Writer;
use super::rows::{self, NodeRowV1, TokenRowV1, TokenUseV1};
use crate::envelope::{AdmitNode, Answer, ClusterCommand, Refusal};
use crate::limits::JOIN_TOKENS_MAX;
use crate::{CodecError, StateMachine};

/// Applies one command. A feature level beyond `feature_level_max` is an error: this build cannot go on.
pub(super) fn apply<M: StateMachine>(
    writer: &mut Writer<'_, M>,
    revision: u64,
    command: &ClusterCommand,
    feature_level_max: u32,
) -> Result<Answer, CodecError> {
    let mut settings = writer.settings()?;
    let refused = |refusal| Ok(Answer::Refused(refusal));
    match command {
        ClusterCommand::Found {
            name,
            node,
            feature_level,
            data_key_id,
        } => {
            if settings.next_node != 0 {
                return refused(Refusal::AlreadyFounded);
            }
            check_level(*feature_level, feature_level_max)?;
            settings.feature_level = *feature_level;
            settings.data_key_id = *data_key_id;
            settings.next_node = node + 1;
            keep_node(writer, *node, name);
        }
        ClusterCommand::IssueJoinToken {
            token,
            secret_hash,
            expires_ms,
        } => {
            make_room_for_token(writer)?;
            let row = TokenRowV1 {
                secret_hash: *secret_hash,
                expires_ms: *expires_ms,
                used: None,
            };
            let key = rows::token_key(token);
            if !writer.rows().contains_key(&*key) {
                writer.put(key, &row);
            }
            return Ok(Answer::Done { revision });
        }
        ClusterCommand::AdmitNode(admit) => return admit_node(writer, admit),
        ClusterCommand::SetDataKey { key_id } if *key_id < settings.data_key_id => return refused(Refusal::GoesBack),
        ClusterCommand::SetDataKey { key_id } => settings.data_key_id = *key_id,
        ClusterCommand::SetFeatureLevel { level } if *level < settings.feature_level => {
            return refused(Refusal::GoesBack);
        }
        ClusterCommand::SetFeatureLevel { level } => {
            check_level(*level, feature_level_max)?;
            settings.feature_level = *level;
        }
        ClusterCommand::ForgetNode { node } => {
            let Some(row) = rows::get::<NodeRowV1>(writer.rows(), &rows::node_key(*node))? else {
                return refused(Refusal::NodeUnknown);
            };
            writer.remove(rows::node_key(*node));
            writer.remove(rows::name_key(&row.name));
            return Ok(Answer::Done { revision });
        }
    }
    writer.put(rows::settings_key(), &settings);
    Ok(Answer::Done { revision })
}

fn check_level(level: u32, level_max: u32) -> Result<(), CodecError> {
    if level <= level_max {
        return Ok(());
    }
    Err(CodecError {
        what: "feature level",
        reason: format!(
            "the cluster has agreed on level {level} and this build supports {level_max}: install the release that \
             the other nodes run and start this node again"
        ),
    })
}

fn keep_node<M: StateMachine>(writer: &mut Writer<'_, M>, node: u64, name: &str) {
    writer.put(rows::node_key(node), &NodeRowV1 { name: name.to_owned() });
    writer.put_raw(rows::name_key(name), node.to_be_bytes().as_slice().into());
}

fn admit_node<M: StateMachine>(writer: &mut Writer<'_, M>, admit: &AdmitNode) -> Result<Answer, CodecError> {
    let token_key = rows::token_key(&admit.token);
    let token: Option<TokenRowV1> = rows::get(writer.rows(), &token_key)?;
    let Some(mut token) = token.filter(|token| token.secret_hash == admit.secret_hash) else {
        return Ok(Answer::Refused(Refusal::TokenUnknown));
    };
    if let Some(used) = &token.used {
        let same = used.request_hash == admit.request_hash;
        let still_there = writer.rows().contains_key(&*rows::node_key(used.node));
        return Ok(if same && still_there {
            Answer::Admitted { node: used.node }
        } else {
            Answer::Refused(Refusal::TokenUsed)
        });
    }
    if admit.now_ms >= token.expires_ms {
        return Ok(Answer::Refused(Refusal::TokenExpired));
    }
    if writer.rows().contains_key(&*rows::name_key(&admit.name)) {
        return Ok(Answer::Refused(Refusal::NameTaken));
    }
    let mut settings = writer.settings()?;
    let node = settings.next_node.max(1);
    settings.next_node = node + 1;
    token.used = Some(TokenUseV1 {
        node,
        request_hash: admit.request_hash,
    });
    writer.put(rows::settings_key(), &settings);
    writer.put(token_key, &token);
    keep_node(writer, node, &admit.name);
    Ok(Answer::Admitted { node })
}

/// Keeps the number of tokens under its bound: the one that ends first goes.
fn make_room_for_token<M: StateMachine>(writer: &mut Writer<'_, M>) -> Result<(), CodecError> {
    let mut first: Option<(u64, Vec<u8>)> = None;
    let mut count = 0;
    for (key, _) in rows::tokens(writer.rows()) {
        count += 1;
        if let Some(row) = rows::get::<TokenRowV1>(writer.rows(), key)?
            && first.as_ref().is_none_or(|(ends, _)| row.expires_ms < *ends)
        {
            first = Some((row.expires_ms, key.to_vec()));
        }
    }
    if count >= JOIN_TOKENS_MAX
        && let Some((_, key)) = first
    {
        writer.remove(key);
    }
    Ok(())
}
