//! One binary for all but one of them: they share the server and the clients in `common`.

mod a_dropped_socket_is_told_to_the_partner;
mod a_few_who_share_a_code_meet;
mod a_flood_ends_and_disturbs_nobody;
mod a_lost_connection_comes_back;
mod a_message_out_of_place_is_an_error;
mod a_session_does_not_notice_others;
mod a_slow_reader_is_dropped;
mod addresses_are_shown_only_after_consent;
mod bad_frames_end_the_connection;
mod common;
mod every_transport_speaks_the_same;
mod next_finds_another_or_the_same_again;
mod only_our_page_and_protocol_get_in;
mod plain_payloads_arrive_once_and_in_order;
mod quic_frames_are_judged;
mod quic_strangers_cost_nothing;
mod sealed_payloads_pass_unread;
mod stopping_tells_everybody;
mod the_page_is_served_with_care;
mod the_way_in_may_cost_work_or_a_token;
mod two_who_press_start_are_paired;
mod two_who_share_a_code_meet;
mod web_transport_opens_one_session;
