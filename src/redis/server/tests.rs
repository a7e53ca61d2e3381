use super::*;

const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\r\n\
    uptime_in_seconds:17\r\n# Replication\r\nrole:master\r\n\
    master_replid:hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\r\n\
    master_replid2:0000000000000000000000000000000000000000\r\n";

#[test]
fn what_a_server_says_of_itself() {
    let [run, history, earlier] = ["r", "h", "0"].map(|letter| letter.repeat(40));
    let server = Server { run, history, earlier, node: String::new(), up: 17_000_000 };
    assert_eq!(Server::of_info(INFO), Some(server));
    assert!(Server::is_in_cluster(INFO));
    assert!(!Server::is_in_cluster(&INFO.replace("mode:cluster", "mode:standalone")));
}

/// What passes the commands on may leave things out, or have names of its own.
#[test]
fn a_server_without_a_name_is_none() {
    assert_eq!(Server::of_info(&INFO.replace("run_id", "id")), None);
    assert_eq!(Server::of_info(&INFO.replace("rrrr", "r")), None);
    assert_eq!(Server::of_info(&INFO.replace("uptime", "up")), None);
    let without = Server::of_info(&INFO.replace("master_replid", "replid")).unwrap();
    assert_eq!((without.history, without.earlier), ("0".repeat(40), "0".repeat(40)));
}
