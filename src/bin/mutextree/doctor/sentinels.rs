//! A look at Sentinels: who is master, and whether they could make another server master.

use std::collections::HashMap;

use redis::{Connection, ErrorKind, RedisResult};

use super::Finding;
use super::asking::{Asker, address};
use super::info::Part;
use super::server::{Member, Tell};
use crate::status::{Failure, chain};

const WHAT: &str = "sentinel";

/// What one Sentinel says.
struct Said {
    master: String,
    replicas: Vec<String>,
}

/// A line for each Sentinel. Returns the servers that they watch.
pub(super) fn look(
    asker: &Asker<'_>,
    addresses: &[String],
    service: &str,
    tell: Tell<'_>,
) -> Result<Vec<Member>, Failure> {
    let mut all: Vec<Said> = Vec::new();
    for address in addresses {
        let (finding, said) = ask(asker, address, service);
        tell(finding.at(address))?;
        all.extend(said);
    }
    let Some(first) = all.first() else { return Ok(Vec::new()) };
    if let Some(other) = all.iter().find(|said| said.master != first.master) {
        let found = format!("they name two masters, {} and {}", first.master, other.master);
        let advice = "look again when the failover is over; if it stays so, SENTINEL RESET the ones that are behind";
        tell(Finding::doubtful(WHAT, found, advice))?;
    }
    let master = Member { address: first.master.clone(), part: Part::Master };
    let replicas = first.replicas.iter().map(|replica| Member { address: replica.clone(), part: Part::Replica });
    Ok(std::iter::once(master).chain(replicas).collect())
}

fn ask(asker: &Asker<'_>, at: &str, service: &str) -> (Finding, Option<Said>) {
    let asked = asker.connect_to(at).and_then(|mut connection| {
        let master: Option<(String, String)> = ask_for(&mut connection, "GET-MASTER-ADDR-BY-NAME", service)?;
        Ok((connection, master))
    });
    let (mut connection, master) = match asked {
        Ok((connection, Some((host, port)))) => (connection, address(&host, port)),
        Ok((_, None)) => {
            let advice = "correct the name behind the slash, or have it watch the service: SENTINEL MONITOR";
            return (Finding::doubtful(WHAT, format!("knows no service `{service}`"), advice), None);
        }
        Err(error) => return (refusal(&error), None),
    };
    // A user that may not ask more than clients have to is no fault.
    let fields: HashMap<String, String> = ask_for(&mut connection, "MASTER", service).unwrap_or_default();
    let replicas: Vec<HashMap<String, String>> = ask_for(&mut connection, "REPLICAS", service).unwrap_or_default();
    let replicas = replicas.iter().filter_map(|replica| Some(address(replica.get("ip")?, replica.get("port")?)));
    let said = Said { replicas: replicas.collect(), master };
    let quorum: RedisResult<String> = ask_for(&mut connection, "CKQUORUM", service);
    (judged(&said.master, &fields, quorum), Some(said))
}

fn ask_for<T: redis::FromRedisValue>(connection: &mut Connection, what: &str, service: &str) -> RedisResult<T> {
    redis::cmd("SENTINEL").arg(what).arg(service).query(connection)
}

fn refusal(error: &redis::RedisError) -> Finding {
    let text = chain(error);
    let advice = if error.kind() == ErrorKind::AuthenticationFailed || text.contains("NOAUTH") {
        "give its user and password in the variable MUTEXTREE_SENTINEL_LOGIN, as user:password or :password"
    } else if text.contains("unknown command") {
        "name a Sentinel here; for a server without Sentinels use redis://host:port"
    } else {
        "start it, correct host and port, or take it out of the URL"
    };
    Finding::doubtful(WHAT, text, advice)
}

fn judged(master: &str, fields: &HashMap<String, String>, quorum: RedisResult<String>) -> Finding {
    let field = |name: &str| fields.get(name).map_or("?", String::as_str);
    let found =
        format!("the master is {master}; {} other Sentinels, quorum {}", field("num-other-sentinels"), field("quorum"));
    if field("flags").contains("_down") {
        let found = format!("{found}; it holds the master for down");
        return Finding::doubtful(WHAT, found, "start the master, or wait for the failover");
    }
    if quorum.is_err_and(|error| error.code() == Some("NOQUORUM")) {
        let advice = "start the other Sentinels: those that are left cannot make another server master";
        return Finding::doubtful(WHAT, format!("{found}; too few of them can be reached"), advice);
    }
    if field("num-other-sentinels").parse::<u32>().is_ok_and(|others| others < 2) {
        let advice = "run three of them or more: of fewer none may be gone if another server is to become master";
        return Finding::doubtful(WHAT, found, advice);
    }
    Finding::good(WHAT, found)
}
