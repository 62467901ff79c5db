/* Two agents of libnice that may only use relayed candidates connect through a TURN server, and twenty messages
 * come back.
 *
 * usage: nice_pair SERVER PORT USER PASSWORD udp|tcp
 */

#include <nice/agent.h>
#include <stdlib.h>
#include <string.h>

enum { COMPONENT = 1, MESSAGES = 20 };

static GMainLoop *loop;
static NiceAgent *agents[2];
static guint streams[2];
static gboolean ready[2];
static int gathered, echoed;

static void send_from(int agent, int length, const char *bytes)
{
    if (nice_agent_send(agents[agent], streams[agent], COMPONENT, length, bytes) != length)
        g_error("agent %d can't send a message of %d bytes; %d are back", agent, length, echoed);
}

static void say(int number)
{
    char message[32];
    send_from(0, g_snprintf(message, sizeof message, "message %d", number), message);
}

/* What the other agent gets goes back; what comes back is counted. */
static void receive(NiceAgent *agent, guint stream, guint component, guint length, gchar *bytes, gpointer data)
{
    (void)stream, (void)component, (void)data;
    if (agent == agents[1]) {
        send_from(1, length, bytes);
        return;
    }
    char expected[32];
    guint expected_length = g_snprintf(expected, sizeof expected, "message %d", echoed);
    if (length != expected_length || memcmp(bytes, expected, length) != 0)
        g_error("another message than was sent");
    if (++echoed == MESSAGES)
        g_main_loop_quit(loop);
    else
        say(echoed);
}

static void tell(int from, int to)
{
    gchar *user, *password;
    nice_agent_get_local_credentials(agents[from], streams[from], &user, &password);
    nice_agent_set_remote_credentials(agents[to], streams[to], user, password);
    GSList *candidates = nice_agent_get_local_candidates(agents[from], streams[from], COMPONENT);
    nice_agent_set_remote_candidates(agents[to], streams[to], COMPONENT, candidates);
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
    g_free(user);
    g_free(password);
}

static void gathering_done(NiceAgent *agent, guint stream, gpointer data)
{
    (void)agent, (void)stream, (void)data;
    if (++gathered < 2)
        return;
    tell(0, 1);
    tell(1, 0);
}

/* The first to be ready is so before the other may send: what the other gets until then it can't give back. */
static void state_changed(NiceAgent *agent, guint stream, guint component, guint state, gpointer data)
{
    (void)stream, (void)component, (void)data;
    if (state == NICE_COMPONENT_STATE_FAILED)
        g_error("no way was found");
    if (state != NICE_COMPONENT_STATE_READY)
        return;
    gboolean was_waiting = !ready[0] || !ready[1];
    ready[agent == agents[0] ? 0 : 1] = TRUE;
    if (was_waiting && ready[0] && ready[1])
        say(0);
}

static gboolean too_late(gpointer data)
{
    (void)data;
    g_error("%d of %d after two minutes; %d have candidates, ready: %d, %d", echoed, MESSAGES, gathered, ready[0],
            ready[1]);
    return FALSE;
}

int main(int count, char **arguments)
{
    if (count != 6)
        g_error("usage: nice_pair SERVER PORT USER PASSWORD udp|tcp");
    gboolean tcp = strcmp(arguments[5], "tcp") == 0;
    loop = g_main_loop_new(NULL, FALSE);
    NiceAddress home;
    nice_address_init(&home);
    nice_address_set_from_string(&home, arguments[1]);
    for (int i = 0; i < 2; i++) {
        agents[i] = nice_agent_new(NULL, NICE_COMPATIBILITY_RFC5245);
        g_object_set(agents[i], "controlling-mode", i == 0, "force-relay", TRUE, "upnp", FALSE, NULL);
        nice_agent_add_local_address(agents[i], &home);
        g_signal_connect(agents[i], "candidate-gathering-done", G_CALLBACK(gathering_done), NULL);
        g_signal_connect(agents[i], "component-state-changed", G_CALLBACK(state_changed), NULL);
        streams[i] = nice_agent_add_stream(agents[i], COMPONENT);
        nice_agent_set_relay_info(agents[i], streams[i], COMPONENT, arguments[1], (guint)atoi(arguments[2]),
                                  arguments[3], arguments[4],
                                  tcp ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP);
        nice_agent_attach_recv(agents[i], streams[i], COMPONENT, NULL, receive, NULL);
    }
    for (int i = 0; i < 2; i++)
        nice_agent_gather_candidates(agents[i], streams[i]);
    g_timeout_add_seconds(120, too_late, NULL);
    g_main_loop_run(loop);

    NiceCandidate *local, *remote;
    nice_agent_get_selected_pair(agents[0], streams[0], COMPONENT, &local, &remote);
    g_print("%d of %d, %s to %s\n", echoed, MESSAGES, nice_candidate_type_to_string(local->type),
            nice_candidate_type_to_string(remote->type));
    return 0;
}
