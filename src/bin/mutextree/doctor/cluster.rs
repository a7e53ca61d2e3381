//! A look at a cluster: whether it is well, and which of its nodes have the tree.

use redis::{Connection, RedisResult, Value, from_redis_value};

use super::Finding;
use super::asking::{Asker, address};
use super::info::{Info, Part};
use super::server::{Member, Tell};
use crate::status::{Failure, chain};

const WHAT: &str = "node";

/// A line for each node of the URL. Returns those nodes that have the tree.
pub(super) fn look(
    asker: &Asker<'_>,
    addresses: &[String],
    tree: &str,
    tell: Tell<'_>,
) -> Result<Vec<Member>, Failure> {
    let mut good = None;
    for address in addresses {
        let asked = asker.connect_to(address).and_then(|mut connection| {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut connection)?;
            Ok((connection, Info::new(info)))
        });
        let finding = match asked {
            Ok((connection, info)) => {
                let finding = judged(&info);
                good = good.or(Some((address, connection)));
                finding
            }
            Err(error) => refusal(&error),
        };
        tell(finding.at(address))?;
    }
    let Some((asked, mut connection)) = good else { return Ok(Vec::new()) };
    let (finding, members) = match owners(&mut connection, tree, asked) {
        Ok((slot, members)) => match members.split_first() {
            Some((master, replicas)) => {
                let replicas: Vec<&str> = replicas.iter().map(|member| member.address.as_str()).collect();
                let replicas = if replicas.is_empty() { "none".into() } else { replicas.join(", ") };
                let found = format!("tree `{tree}` is in slot {slot}: master {}, replicas: {replicas}", master.address);
                (Finding::good("slot", found), members)
            }
            None => {
                let found = format!("no node has slot {slot}, in which tree `{tree}` is");
                (Finding::bad("slot", found, "give it to a node: redis-cli --cluster fix host:port"), members)
            }
        },
        Err(error) => (
            Finding::doubtful("slot", chain(&error), "allow CLUSTER KEYSLOT and CLUSTER SLOTS to see more"),
            Vec::new(),
        ),
    };
    tell(finding)?;
    Ok(members)
}

fn refusal(error: &redis::RedisError) -> Finding {
    let text = chain(error);
    let advice = if text.contains("cluster support disabled") {
        "name a node of the cluster here; for a server that is in none use redis://host:port"
    } else {
        "start it, correct host and port, or take it out of the URL"
    };
    Finding::doubtful(WHAT, text, advice)
}

fn judged(info: &Info) -> Finding {
    let field = |name| info.field(name).unwrap_or("?");
    let found = format!(
        "state {}; it knows {} nodes, {} of them masters with slots",
        field("cluster_state"),
        field("cluster_known_nodes"),
        field("cluster_size")
    );
    if field("cluster_state") == "ok" {
        return Finding::good(WHAT, found);
    }
    let advice = "start the nodes that are missing, or give their slots to others: until then locks are refused";
    Finding::doubtful(WHAT, found, advice)
}

/// The slot of the tree, and who has it: the master first.
fn owners(connection: &mut Connection, tree: &str, asked: &str) -> RedisResult<(u16, Vec<Member>)> {
    let key = format!("{{{tree}}}:n");
    let slot: u16 = redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query(connection)?;
    let ranges: Vec<Vec<Value>> = redis::cmd("CLUSTER").arg("SLOTS").query(connection)?;
    for range in ranges {
        let [first, last, nodes @ ..] = &range[..] else { continue };
        let (first, last): (u16, u16) = (from_redis_value(first.clone())?, from_redis_value(last.clone())?);
        if (first..=last).contains(&slot) {
            let members = nodes.iter().enumerate().filter_map(|(at, node)| {
                let address = node_address(node, asked)?;
                Some(Member { address, part: if at == 0 { Part::Master } else { Part::Replica } })
            });
            return Ok((slot, members.collect()));
        }
    }
    Ok((slot, Vec::new()))
}

/// A node is a list of host, port and more. The host is empty if it is that of the node asked.
fn node_address(node: &Value, asked: &str) -> Option<String> {
    let Value::Array(words) = node else { return None };
    let [host, port, ..] = &words[..] else { return None };
    let (host, port): (Option<String>, u16) =
        (from_redis_value(host.clone()).ok()?, from_redis_value(port.clone()).ok()?);
    match host.as_deref() {
        None | Some("") => Some(format!("{}:{port}", asked.rsplit_once(':')?.0)),
        Some("?") => None, // it does not know
        Some(host) => Some(address(host, port)),
    }
}
