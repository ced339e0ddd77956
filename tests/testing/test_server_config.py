"""One node that listens on loopback only, keeps one copy of everything and makes no group wait."""

import socket
import uuid
from base64 import urlsafe_b64decode

from kafka_parallel.testing.broker_docker import environment_of, variable_of
from kafka_parallel.testing.server_config import PORTS, cluster_id, free_ports, node_properties, server_properties


def test_clients_and_the_controller_are_served_on_loopback_only():
    settings = server_properties(20001, 20002, bind="127.0.0.1", config={})

    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20001"


def test_a_container_listens_everywhere_and_advertises_loopback():
    settings = server_properties(20001, 20002, bind="", config={})

    assert settings["listeners"] == "PLAINTEXT://:20001,CONTROLLER://127.0.0.1:20002"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20001"


def test_every_internal_topic_has_one_copy():
    settings = server_properties(20001, 20002, bind="", config={})

    copies = {name: value for name, value in settings.items() if name.endswith(("replication.factor", "min.isr"))}
    assert len(copies) == 5
    assert set(copies.values()) == {"1"}


def test_three_nodes_know_each_other_and_any_one_may_be_away():
    controllers = {1: 20011, 2: 20012, 3: 20013}
    nodes = [node_properties(number, 20000 + number, controllers, config={"x": "y"}) for number in controllers]

    assert [node["node.id"] for node in nodes] == ["1", "2", "3"]
    assert nodes[1]["listeners"] == "PLAINTEXT://127.0.0.1:20002,CONTROLLER://127.0.0.1:20012"
    voters = {node["controller.quorum.voters"] for node in nodes}
    assert voters == {"1@127.0.0.1:20011,2@127.0.0.1:20012,3@127.0.0.1:20013"}
    for node in nodes:
        assert {value for name, value in node.items() if name.endswith("replication.factor")} == {"3"}
        assert {value for name, value in node.items() if name.endswith(("min.isr", "insync.replicas"))} == {"2"}
        assert node["x"] == "y"


def test_own_settings_win():
    settings = server_properties(20001, 20002, bind="", config={"group.initial.rebalance.delay.ms": "7", "x": "y"})

    assert settings["group.initial.rebalance.delay.ms"] == "7"
    assert settings["x"] == "y"


def test_free_ports_are_different_and_bindable():
    ports = free_ports(5)

    assert len(set(ports)) == 5
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            assert port in PORTS


def test_no_cluster_id_looks_like_an_option():
    ids = [cluster_id() for _ in range(500)]

    assert not any(each.startswith("-") for each in ids)
    assert len({uuid.UUID(bytes=urlsafe_b64decode(each + "==")) for each in ids}) == 500


def test_a_setting_becomes_the_variable_that_the_image_reads():
    assert variable_of("log.dirs") == "KAFKA_LOG_DIRS"
    assert variable_of("my_own.setting-name") == "KAFKA_MY__OWN_SETTING___NAME"


def test_all_settings_reach_the_image():
    variables = environment_of({"node.id": "1", "process.roles": "broker"})

    assert variables["KAFKA_NODE_ID"] == "1"
    assert variables["KAFKA_PROCESS_ROLES"] == "broker"
    assert variables["CLUSTER_ID"]
