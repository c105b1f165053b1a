/*
 * core_ask.c - questions to a core's own keys (CALL, ANSWER): one on its way at a time, the others
 * wait in order. An answer that nobody asked for, or that is larger or later than it may be, ends
 * the core.
 */
#include "core_internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void request_wipe(struct core_question *question)
{
    if (question->request)
        sodium_memzero(question->request, question->request_size);
    free(question->request);
    question->request = NULL;
}

tfaas_status_t core_ask(struct core_link *link, struct core_question *question, enum tfaas_op op,
                        uint8_t *request, size_t size)
{
    tfaas_status_t status = TFAAS_OK;
    question->request = request;
    question->request_size = size;
    if (!request)
        status = TFAAS_NO_SPACE;
    else if (!core_link_ready(link))
        status = TFAAS_UNAVAILABLE;
    else if (size > TFAAS_PAYLOAD_MAX)
        status = TFAAS_TOO_LARGE;
    else if (link->question_count >= CORE_QUESTIONS_MAX)
        status = TFAAS_BUSY;
    if (status != TFAAS_OK) {
        request_wipe(question);
        return status;
    }
    question->link = link;
    question->op = op;
    TAILQ_INSERT_TAIL(&link->questions, question, entry);
    link->question_count++;
    link->hub->work++;
    link_awake(link);
    return TFAAS_OK;
}

/* Not asked any more; no list holds it. */
static void question_end(struct core_question *question)
{
    struct core_link *link = question->link;
    link->question_count--;
    link->hub->work--;
    question->link = NULL;
    request_wipe(question);
}

void core_ask_cancel(struct core_question *question)
{
    struct core_link *link = question->link;
    struct core_question *each;
    if (!link)
        return;
    if (link->asked == question) {
        link->asked = NULL; /* its answer is still awaited, and thrown away */
    } else {
        struct core_question_list *list = &link->questions;
        TAILQ_FOREACH(each, &link->lost, entry)
        {
            if (each == question)
                list = &link->lost;
        }
        TAILQ_REMOVE(list, question, entry);
    }
    question_end(question);
}

void questions_pump(struct core_link *link)
{
    struct core_question *question = TAILQ_FIRST(&link->questions);
    if (link->asking || !question || !link->ready || link->doomed)
        return;
    /* The time is told ahead: what a keeper signs is dated. */
    struct tfaas_slot clock = {.kind = TFAAS_CLOCK, .arg = {loop_realtime_ns()}};
    struct tfaas_slot m = {.kind = TFAAS_CALL, .id = link->ask_id + 1, .arg = {question->op}};
    tfaas_status_t status = ring_send(&link->tx, &clock, NULL, 0);
    if (status == TFAAS_OK)
        status = ring_send(&link->tx, &m, question->request, question->request_size);
    if (status == TFAAS_PEER_DEAD)
        link_doom(link, "broke the window protocol: ring");
    if (status != TFAAS_OK)
        return; /* no room now: it rings when there is */
    TAILQ_REMOVE(&link->questions, question, entry);
    request_wipe(question);
    link->ask_id++;
    link->asking = true;
    link->asked = question;
    link->asked_op = question->op;
    link->asked_ns = link->hub->now_ns;
}

bool questions_answer(struct core_link *link, const struct tfaas_slot *m, const uint8_t *payload)
{
    struct core_question *question = link->asked;
    if (!link->asking || m->id != link->ask_id)
        return link_refuse(link, "ANSWER to nothing that was asked", m);
    if (m->flags != 0 || m->arg[0] >= TFAAS_STATUS_COUNT)
        return link_refuse(link, "malformed ANSWER", m);
    link->asking = false;
    link->asked = NULL;
    if (!question)
        return true;
    question_end(question);
    tfaas_status_t status = (tfaas_status_t)m->arg[0];
    char text[CORE_TEXT_MAX];
    if (status == TFAAS_OK) {
        question->answered(question, status, payload, m->size);
    } else {
        size_t size = text_clean(text, sizeof text, payload, m->size);
        question->answered(question, status, (const uint8_t *)text, size);
    }
    return true;
}

void questions_lose(struct core_link *link)
{
    if (link->asked)
        TAILQ_INSERT_TAIL(&link->lost, link->asked, entry);
    link->asked = NULL;
    link->asking = false;
    TAILQ_CONCAT(&link->lost, &link->questions, entry);
}

void questions_deliver(struct core_link *link)
{
    struct core_question *question;
    while ((question = TAILQ_FIRST(&link->lost))) {
        TAILQ_REMOVE(&link->lost, question, entry);
        question_end(question);
        question->answered(question, TFAAS_CORE_LOST, (const uint8_t *)"core ended", 10);
    }
}
