/* Linked into every instrument: says how many rays were traced, and ends the process with the one that started it.
 * McStas 3.5's own answer (signal USR1) is always 0 %: its loop does not count (mccode-r, raytrace_all). */
#define _GNU_SOURCE /* pwrite, under -std=c99 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

volatile unsigned long long panosc_ray = 0;

static void *report(void *argument) {
  int file = *(int *)argument;
  const struct timespec pause = {0, 100 * 1000 * 1000};
  for (;;) {
    unsigned long long ray = panosc_ray;
    if (pwrite(file, &ray, sizeof ray, 0) != sizeof ray) return NULL;
    nanosleep(&pause, NULL);
  }
}

__attribute__((constructor)) static void start(void) {
  static int file;
  static pthread_t thread;
  sigset_t all, before;
  const char *path = getenv("PANOSC_PROGRESS");
  if (!path) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  sigfillset(&all); /* signals are for the instrument's own thread */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_create(&thread, NULL, report, &file);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}
