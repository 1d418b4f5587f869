/* loop_tasks.c - tasks: what connections put off to the end of the turn. */
#include "transport/loop_state.h"

#include <string.h>

static void append(np_task_queue *queue, np_task *task)
{
    task->next = NULL;
    task->link = queue->tail;
    *queue->tail = task;
    queue->tail = &task->next;
}

static void add(np_task_queue *queue, np_task *task)
{
    if (task->link == NULL) {
        append(queue, task);
        queue->added++;
    }
}

static void take_out(np_task_queue *queue, np_task *task)
{
    *task->link = task->next;
    if (task->next != NULL) {
        task->next->link = task->link;
    }
    if (queue->tail == &task->next) {
        queue->tail = task->link;
    }
    task->next = NULL;
    task->link = NULL;
}

void np__loop_tasks_init(np_task_queue *queue)
{
    memset(queue, 0, sizeof *queue);
    queue->tail = &queue->first;
}

void np__task_init(np_task *task, np_task_fn *fn)
{
    memset(task, 0, sizeof *task);
    task->fn = fn;
}

void np__loop_defer(np_loop *loop, np_task *task)
{
    add(&loop->deferred, task);
}

void np__loop_flush(np_loop *loop, np_task *task)
{
    add(&loop->flushes, task);
}

size_t np__loop_flushes(const np_loop *loop)
{
    return loop->flushes.added;
}

void np__task_cancel(np_loop *loop, np_task *task)
{
    if (task->link == NULL) {
        return;
    }
    /* Which queue it is in shows only in whose tail it may be; removing is the same for both. */
    if (loop->deferred.tail == &task->next) {
        take_out(&loop->deferred, task);
    } else {
        take_out(&loop->flushes, task);
    }
}

/* Runs the tasks queued so far; those that they queue wait for the next turn, so that tasks which
 * keep each other busy do not keep the loop from everything else. */
void np__loop_tasks_run(np_loop *loop, np_task_queue *queue)
{
    queue->added = 0;
    if (queue->first == NULL) {
        return;
    }
    append(queue, &queue->marker);
    while (queue->first != &queue->marker) {
        np_task *task = queue->first;
        take_out(queue, task);
        task->fn(loop, task);
    }
    take_out(queue, &queue->marker);
}
