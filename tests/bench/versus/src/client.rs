//! The part of librdkafka's C API that the loads use, made safe. All `unsafe` of this program is here.

use std::ffi::{CStr, CString, c_char, c_void};
use std::time::{Duration, Instant};

use rdkafka_sys as rd;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use crate::figures::Latencies;
use crate::{Result, Target};

/// What came back to a producer.
#[derive(Debug)]
pub(crate) struct Acks {
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    pub(crate) error: Option<String>,
    pub(crate) latencies: Latencies,
    /// Records carry the microseconds since then.
    epoch: Instant,
}

/// A producer for one topic.
#[derive(Debug)]
pub(crate) struct Producer {
    handle: *mut rd::rd_kafka_t,
    topic: *mut rd::rd_kafka_topic_t,
    /// Shared with the delivery callback, which only runs inside `poll` and `flush`.
    acks: *mut Acks,
}

// SAFETY: librdkafka's handles may be used from any thread, and `acks` has one owner.
unsafe impl Send for Producer {}

impl Producer {
    /// Connects, and waits until the topic is known.
    pub(crate) fn new(target: &Target, defaults: &[(&str, &str)]) -> Result<Self> {
        let acks = Box::into_raw(Box::new(Acks {
            acknowledged: 0,
            failed: 0,
            error: None,
            latencies: Latencies::new(),
            epoch: Instant::now(),
        }));
        let config = config(target, defaults)?;
        // SAFETY: `acks` lives until the handle is destroyed.
        unsafe {
            rd::rd_kafka_conf_set_opaque(config, acks.cast());
            rd::rd_kafka_conf_set_dr_msg_cb(config, Some(delivered));
        }
        let handle = open(rd::rd_kafka_type_t::RD_KAFKA_PRODUCER, config)?;
        let topic = topic(handle, &target.topic)?;
        Ok(Self {
            handle,
            topic,
            acks,
        })
    }

    /// How many partitions the topic has; `Err` while it does not exist.
    pub(crate) fn partitions(&self, timeout: Duration) -> Result<i32> {
        partitions(self.handle, self.topic, timeout)
    }

    /// Queues a record; false if the queue is full. `stamp` has its latency recorded.
    pub(crate) fn produce(
        &mut self,
        partition: Option<i32>,
        payload: &[u8],
        stamp: Option<Instant>,
    ) -> Result<bool> {
        let acks = self.acks();
        // Zero means no stamp.
        let micros = stamp.map_or(0, |at| at.duration_since(acks.epoch).as_micros().max(1));
        let opaque = usize::try_from(micros)? as *mut c_void;
        // SAFETY: the payload is copied (MSG_F_COPY), and never written to.
        let refused = unsafe {
            rd::rd_kafka_produce(
                self.topic,
                partition.unwrap_or(-1),
                rd::RD_KAFKA_MSG_F_COPY,
                payload.as_ptr().cast_mut().cast(),
                payload.len(),
                std::ptr::null(),
                0,
                opaque,
            )
        } != 0;
        if !refused {
            return Ok(true);
        }
        // SAFETY: reads the calling thread's last error.
        match unsafe { rd::rd_kafka_last_error() } {
            Code::RD_KAFKA_RESP_ERR__QUEUE_FULL => Ok(false),
            code => Err(text(code).into()),
        }
    }

    /// Hears what was acknowledged, and waits for something if nothing was.
    pub(crate) fn poll(&mut self, timeout: Duration) {
        // SAFETY: the handle is valid; callbacks run now and on this thread.
        unsafe { rd::rd_kafka_poll(self.handle, millis(timeout)) };
    }

    /// Waits until all that was queued is answered.
    pub(crate) fn flush(&mut self, timeout: Duration) -> Result<()> {
        // SAFETY: as for `poll`.
        match unsafe { rd::rd_kafka_flush(self.handle, millis(timeout)) } {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(format!("not all was acknowledged: {}", text(code)).into()),
        }
    }

    pub(crate) fn acks(&self) -> &Acks {
        // SAFETY: the callback writes only inside `poll` and `flush`, which borrow self mutably.
        unsafe { &*self.acks }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // SAFETY: nothing uses them afterwards. What is still queued is given up.
        unsafe {
            rd::rd_kafka_topic_destroy(self.topic);
            rd::rd_kafka_destroy(self.handle);
            drop(Box::from_raw(self.acks));
        }
    }
}

unsafe extern "C" fn delivered(
    _: *mut rd::rd_kafka_t,
    message: *const rd::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: `opaque` is the producer's `acks`, which nobody else touches during a callback.
    let (message, acks) = unsafe { (&*message, &mut *opaque.cast::<Acks>()) };
    if message.err != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
        acks.failed += 1;
        acks.error = Some(text(message.err));
        return;
    }
    acks.acknowledged += 1;
    let stamp = message._private as u64;
    if stamp != 0 {
        let sent = acks.epoch + Duration::from_micros(stamp);
        acks.latencies.record(sent.elapsed());
    }
}

/// A reader of all partitions of one topic.
#[derive(Debug)]
pub(crate) struct Consumer {
    handle: *mut rd::rd_kafka_t,
    topic: *mut rd::rd_kafka_topic_t,
    queue: *mut rd::rd_kafka_queue_t,
    messages: Vec<*mut rd::rd_kafka_message_t>,
    pub(crate) partitions: i32,
}

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for Consumer {}

/// Where a consumer begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    Beginning,
    End,
}

/// Something a consumer was handed.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Record(&'a [u8]),
    EndOfPartition,
    Error(String),
}

/// How much one `poll` takes at most.
const POLL_LIMIT: usize = 10_000;

impl Consumer {
    pub(crate) fn new(target: &Target, defaults: &[(&str, &str)], start: Start) -> Result<Self> {
        let handle = open(
            rd::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            config(target, defaults)?,
        )?;
        let topic = topic(handle, &target.topic)?;
        let partitions = partitions(handle, topic, Duration::from_secs(10))?;
        // SAFETY: the handle is valid.
        let queue = unsafe { rd::rd_kafka_queue_new(handle) };
        let offset = match start {
            Start::Beginning => rd::RD_KAFKA_OFFSET_BEGINNING,
            Start::End => rd::RD_KAFKA_OFFSET_END,
        };
        for partition in 0..partitions {
            // SAFETY: topic and queue are valid and live as long as the handle.
            let refused = unsafe {
                rd::rd_kafka_consume_start_queue(topic, partition, i64::from(offset), queue)
            };
            if refused != 0 {
                return Err(format!("partition {partition} cannot be read").into());
            }
        }
        Ok(Self {
            handle,
            topic,
            queue,
            messages: vec![std::ptr::null_mut(); POLL_LIMIT],
            partitions,
        })
    }

    /// Hands over as much as there is, waiting for more until the time is over.
    pub(crate) fn poll(&mut self, timeout: Duration, mut each: impl FnMut(Event<'_>)) {
        // SAFETY: the buffer has room for as many as it says.
        let count = unsafe {
            rd::rd_kafka_consume_batch_queue(
                self.queue,
                millis(timeout),
                self.messages.as_mut_ptr(),
                self.messages.len(),
            )
        };
        for message in &self.messages[..usize::try_from(count).unwrap_or(0)] {
            // SAFETY: librdkafka filled in so many messages, and they are ours until destroyed.
            unsafe { hand_over(*message, &mut each) };
        }
    }

    /// Hands over the next one as soon as there is one.
    pub(crate) fn next(&mut self, timeout: Duration, mut each: impl FnMut(Event<'_>)) {
        // SAFETY: the queue is valid, and the message ours until destroyed.
        unsafe {
            let message = rd::rd_kafka_consume_queue(self.queue, millis(timeout));
            if !message.is_null() {
                hand_over(message, &mut each);
            }
        }
    }
}

/// # Safety
/// The message is valid, and nobody uses it afterwards.
unsafe fn hand_over(message: *mut rd::rd_kafka_message_t, each: &mut impl FnMut(Event<'_>)) {
    // SAFETY: as above; librdkafka gives the length of the payload.
    unsafe {
        let fields = &*message;
        each(match fields.err {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR if fields.payload.is_null() => Event::Record(&[]),
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => {
                let payload = std::slice::from_raw_parts(fields.payload.cast(), fields.len);
                Event::Record(payload)
            }
            Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => Event::EndOfPartition,
            code => Event::Error(text(code)),
        });
        rd::rd_kafka_message_destroy(message);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: nothing uses them afterwards.
        unsafe {
            for partition in 0..self.partitions {
                rd::rd_kafka_consume_stop(self.topic, partition);
            }
            rd::rd_kafka_queue_destroy(self.queue);
            rd::rd_kafka_topic_destroy(self.topic);
            rd::rd_kafka_destroy(self.handle);
        }
    }
}

/// The target's settings; later ones win.
fn config(target: &Target, defaults: &[(&str, &str)]) -> Result<*mut rd::rd_kafka_conf_t> {
    // SAFETY: makes a new one, which `open` takes over.
    let config = unsafe { rd::rd_kafka_conf_new() };
    let own = target.settings.iter();
    let own = own.map(|(key, value)| (key.as_str(), value.as_str()));
    let bootstrap = ("bootstrap.servers", target.bootstrap.as_str());
    for (key, value) in defaults.iter().copied().chain([bootstrap]).chain(own) {
        let (name, text) = (CString::new(key)?, CString::new(value)?);
        let mut error = Error::new();
        // SAFETY: all are strings that end, and the error has room for what is said.
        let result = unsafe {
            let (at, room) = error.room();
            rd::rd_kafka_conf_set(config, name.as_ptr(), text.as_ptr(), at, room)
        };
        if result != rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Err(format!("{key}={value}: {}", error.text()).into());
        }
    }
    Ok(config)
}

fn open(
    role: rd::rd_kafka_type_t,
    config: *mut rd::rd_kafka_conf_t,
) -> Result<*mut rd::rd_kafka_t> {
    let mut error = Error::new();
    // SAFETY: the configuration is valid, and librdkafka's own from here on.
    let handle = unsafe {
        let (at, room) = error.room();
        rd::rd_kafka_new(role, config, at, room)
    };
    match handle.is_null() {
        false => Ok(handle),
        true => Err(error.text().into()),
    }
}

fn topic(handle: *mut rd::rd_kafka_t, name: &str) -> Result<*mut rd::rd_kafka_topic_t> {
    let name = CString::new(name)?;
    // SAFETY: the handle is valid, and the name is copied.
    let topic = unsafe { rd::rd_kafka_topic_new(handle, name.as_ptr(), std::ptr::null_mut()) };
    match topic.is_null() {
        false => Ok(topic),
        true => Err("librdkafka refuses the topic's name".into()),
    }
}

fn partitions(
    handle: *mut rd::rd_kafka_t,
    topic: *mut rd::rd_kafka_topic_t,
    timeout: Duration,
) -> Result<i32> {
    let mut metadata = std::ptr::null();
    // SAFETY: handle and topic are valid; the answer is destroyed below.
    let code =
        unsafe { rd::rd_kafka_metadata(handle, 0, topic, &raw mut metadata, millis(timeout)) };
    if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(text(code).into());
    }
    // SAFETY: an answer without an error is valid, and has as many topics as it says.
    let found = unsafe {
        let answer: &rd::rd_kafka_metadata = &*metadata;
        let found = (answer.topic_cnt == 1).then(|| {
            let topic = &*answer.topics;
            (topic.err, topic.partition_cnt)
        });
        rd::rd_kafka_metadata_destroy(metadata);
        found
    };
    match found {
        Some((Code::RD_KAFKA_RESP_ERR_NO_ERROR, count)) if count > 0 => Ok(count),
        Some((code, _)) => Err(text(code).into()),
        None => Err("the broker does not speak of the topic".into()),
    }
}

fn text(code: Code) -> String {
    // SAFETY: the answer is a static string.
    let text = unsafe { CStr::from_ptr(rd::rd_kafka_err2str(code)) };
    text.to_string_lossy().into_owned()
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// Where librdkafka writes what is wrong.
struct Error {
    bytes: [c_char; 512],
}

impl Error {
    fn new() -> Self {
        Self { bytes: [0; 512] }
    }

    fn room(&mut self) -> (*mut c_char, usize) {
        (self.bytes.as_mut_ptr(), self.bytes.len())
    }

    fn text(&self) -> String {
        let bytes = self.bytes.iter().take_while(|byte| **byte != 0);
        let bytes: Vec<u8> = bytes.map(|byte| byte.cast_unsigned()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
