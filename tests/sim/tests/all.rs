//! All simulations but the random ones, as one program: fifty programs would be linked for minutes. Each file
//! is a module, and none is left out.

mod a_channel_is_a_permission_too;
mod a_credential_ends_at_its_second;
mod a_draining_relay_sends_newcomers_elsewhere;
mod a_flooded_network_still_gets_in;
mod a_lost_notice_is_made_up_for;
mod a_pair_of_ports_serves_two_clients;
mod a_permission_serves_all_ports_and_allocations;
mod a_proxy_on_this_machine_is_nowhere_to_relay;
mod a_recorded_request_brings_nothing_back;
mod a_refresh_keeps_routes_alive;
mod a_refusal_tells_nothing_but_that;
mod a_relayed_port_rests_before_reuse;
mod a_repeated_allocate_gets_the_same_answer;
mod a_request_is_granted_whole_or_not_at_all;
mod a_shared_port_is_sorted_by_the_first_byte;
mod a_stale_nonce_is_renewed;
mod a_static_user_may_hide_its_name;
mod a_step_of_the_wall_clock_touches_credentials_only;
mod an_allocation_is_made_after_a_challenge;
mod an_end_is_told_to_all_who_have_a_route;
mod answers_hold_nothing_of_the_buffer;
mod bandwidth_is_limited_and_shared;
mod both_families_are_relayed;
mod clients_take_their_allocations_along;
mod each_side_chooses_its_own_framing;
mod garbage_leaves_no_trace;
mod guessing_is_slowed_down;
mod holders_of_a_shared_secret_come_in_time;
mod icmp_errors_reach_their_client_only;
mod leaving_the_match_ends_the_relay;
mod lifetimes_are_clamped;
mod limits_hold_across_workers;
mod lost_and_doubled_packets_do_no_harm;
mod new_rules_stop_what_runs;
mod old_channel_numbers_are_for_old_clients;
mod one_client_may_have_both_families;
mod one_packet_in_is_one_packet_out;
mod only_its_owner_changes_an_allocation;
mod only_partners_reach_each_other;
mod payloads_go_on_as_they_are;
mod payloads_go_on_whole_or_not_at_all;
mod relay_sockets_serve_public_users;
mod requests_are_paced;
mod sha256_is_offered_and_cannot_be_taken_away;
mod strangers_do_not_crowd_out_friends;
mod tcp_is_relayed_for_those_who_may;
mod the_appliance_policy_joins_all_but_oneself;
mod the_end_of_a_session_closes_both_sides;
mod the_first_packet_arrives_once_both_permit;
mod tickets_are_their_owners;
mod two_people_behind_nats_talk_through_the_relay;
mod unauthenticated_answers_stay_small;
mod what_nobody_permitted_is_dropped_silently;
mod what_was_signed_once_is_no_key;
mod who_asks_again_in_a_flooded_network_is_answered;

#[test]
fn every_file_beside_this_one_is_a_module_of_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|it| it == "rs") && name != "all" {
            assert!(include_str!("all.rs").contains(&format!("\nmod {name};\n")), "add it: mod {name};");
        }
    }
}
