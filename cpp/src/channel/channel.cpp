#include "channel/channel.h"

#include <system_error>
#include <utility>

#include "channel/doorbell.h"
#include "channel/files_carrier.h"
#include "channel/mailbox_carrier.h"
#include "channel/place_error.h"
#include "platform/file.h"
#include "platform/futex.h"
#include "platform/sequence_point.h"
#include "protocol/message.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::channel {

void Channel::move_into(std::unique_ptr<Directory> directory) {
    auto tensors = std::make_shared<TensorStore>(directory->path(), directory->mark());
    const std::lock_guard<std::mutex> lock(mutex_);
    tensors_ = std::move(tensors);
    directory_ = std::move(directory);
}

void Channel::leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    carrier_.reset();
    mailbox_carrier_.reset();
    mailbox_.reset();
    tensors_.reset();
    directory_.reset();
    hello_.reset();
    ready_.store(false, std::memory_order_release);
    if (const auto bell = std::exchange(bell_, nullptr)) bell->tell_channels_changed();
}

// ---------------------------------------------------------------------------------------------------------- opening

std::vector<std::string> Channel::open(WakeUp wake_up, std::uint64_t epoch, std::int64_t busy_wait_us) {
    if (mailbox_ && !ready()) {
        // Of a worker that was never ready, so that nobody uses it: its room is for the next.
        const std::lock_guard<std::mutex> lock(mutex_);
        tensors_->attach(nullptr);
        mailbox_carrier_.reset();
        mailbox_.reset();
    }
    std::string fallback;
    std::shared_ptr<Mailbox> mailbox;
    // Polling is for places where no memory can be shared; where files that ring were asked for, tensors still can.
    if (wake_up != WakeUp::polling) {
        if (platform::futex_available())
            mailbox = Mailbox::create(directory_->file(protocol::kMailboxFile), epoch, busy_wait_us);
        else if (wake_up == WakeUp::futex)
            throw InputError(
                "wake-up tier 'futex' was asked for and there is none on this operating system; use "
                "WakeUp::automatic");
        else if (wake_up == WakeUp::automatic)
            fallback = "there is no futex on this operating system";
    }
    std::string files_fallback;
    const auto files_tier = wake_up == WakeUp::futex ? WakeUp::automatic : wake_up;
    auto files = std::make_shared<FilesCarrier>(directory_->path(), directory_->mark(),
                                                open_doorbell(files_tier, directory_->path(), files_fallback));
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_up_ = wake_up;
    epoch_ = epoch;
    set_up(mailbox, files, fallback.empty() ? files_fallback : fallback);
    return mailbox_ ? std::vector<std::string>{"mailbox", "files"} : std::vector<std::string>{"files"};
}

void Channel::open_further(WakeUp wake_up, std::uint64_t epoch, std::shared_ptr<Mailbox> mailbox,
                           const std::shared_ptr<Mailbox>& first) {
    std::string fallback;
    // Where there is a mailbox nobody waits for files, so a doorbell that holds nothing of the system's will do.
    auto doorbell = open_doorbell(mailbox ? WakeUp::polling : wake_up, directory_->path(), fallback);
    auto files = std::make_shared<FilesCarrier>(directory_->path(), directory_->mark(), std::move(doorbell));
    if (mailbox) mailbox->ring_through(first);
    const std::lock_guard<std::mutex> lock(mutex_);
    bell_ = first;
    wake_up_ = wake_up;
    epoch_ = epoch;
    set_up(std::move(mailbox), files, mailbox ? "" : fallback);
    if (!mailbox_carrier_) return;
    carrier_ = mailbox_carrier_;
    tensors_->share();
}

/// With mutex_ held.
void Channel::set_up(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Carrier> files, std::string fallback) {
    tensors_->attach(mailbox);
    const bool for_messages = mailbox && (wake_up_ == WakeUp::automatic || wake_up_ == WakeUp::futex);
    mailbox_carrier_ = for_messages ? std::make_shared<MailboxCarrier>(mailbox, files) : nullptr;
    mailbox_ = std::move(mailbox);
    carrier_ = std::move(files);
    fallback_ = std::move(fallback);
    progress_state_ = 0;
    hello_.reset();
    ready_.store(false, std::memory_order_release);
}

// ---------------------------------------------------------------------------------------------------------- hearing

bool Channel::has_status_of_a_server() const {
    constexpr std::size_t kMostBytes = 65'536;
    const std::string folder = path();
    const std::string status = folder + "/" + protocol::kStatusFile;
    if (folder.empty() || !platform::file_exists(status)) return false;
    if (platform::file_exists(folder + "/" + protocol::kHelloFile)) return true;
    try {
        // Not one that a worker leaves behind which came to its end before it was ready.
        const std::string text = platform::read_file(status, kMostBytes).value_or("");
        return text.rfind("error", 0) != 0 && text.rfind("exiting", 0) != 0;
    } catch (const std::system_error&) {
        return false;
    }
}

std::optional<std::string> Channel::hear() {
    // The status is the last thing that a worker writes before it takes requests. An older one writes no hello.
    if (ready() || !directory_ || !has_status_of_a_server()) return std::nullopt;
    const std::string path = directory_->file(protocol::kHelloFile);
    std::optional<std::string> text;
    try {
        text = platform::read_file(path, protocol::kMaxRecordBytes);
    } catch (const std::system_error& error) {
        const std::string attempt = "what the worker says of itself cannot be read";
        if (!place_advice(error, path).empty()) throw_place_error(error, path, 0, attempt);
        throw InputError(attempt + ": " + error.what());
    }
    std::string news = "of an older kind, which says nothing of itself";
    if (text) {
        auto hello = protocol::parse_hello(*text);
        TR_SEQUENCE_POINT("hello heard");
        const std::lock_guard<std::mutex> lock(mutex_);
        news = take_hello(std::move(hello));
    }
    ready_.store(true, std::memory_order_release);
    return news;
}

/// The worker says what it is and which carrier it takes. With mutex_ held.
/// @returns the same for the log
std::string Channel::take_hello(protocol::Hello hello) {
    // Whoever refuses a channel may not have got to read of which start it is.
    if (!hello.refused.empty())
        throw RetryError("the worker cannot serve one more channel: " + hello.refused +
                         "; end another one, or lower SessionOptions::max_ongoing_requests");
    if (hello.epoch != epoch_)
        throw InputError("hello.json is of another start of the worker: expected epoch " + std::to_string(epoch_) +
                         ", found " + std::to_string(hello.epoch));
    if (hello.carrier == "mailbox" && mailbox_carrier_) {
        if (carrier_ != mailbox_carrier_) {
            carrier_ = mailbox_carrier_;
            tensors_->share();
            // It may have looked for a request just before one was published, and waits for a ring from now on.
            if (request_) carrier_->ring_worker();
        }
        fallback_ = hello.fallback;  // a lower tier that was given up does not matter
    } else if (wake_up_ == WakeUp::futex) {
        throw InputError("wake-up tier 'futex' was asked for and the worker cannot use it: " + hello.fallback +
                         "; use WakeUp::automatic");
    } else if (fallback_.empty()) {
        fallback_ = hello.fallback;
    }
    if (mailbox_ && !hello.mailbox.empty() && !tensors_->is_shared()) tensors_->share();
    if (tensors_->is_shared() && hello.has_feature(protocol::kBuffersFeature)) tensors_->let_names_wait();
    if (tensors_->is_shared() && hello.has_feature(protocol::kLoansFeature)) tensors_->lend();
    std::string line = "Python " + hello.python + ", carrier " + carrier_->name() + ", woken by " + hello.wake_up +
                       (fallback_.empty() ? "" : " (" + fallback_ + ")");
    hello_ = std::move(hello);
    return line;
}

bool Channel::request_was_taken() const {
    // Only the mailbox tells whether the worker has found a request. A worker says hello before it looks for one.
    if (!request_) return false;
    const bool by_mailbox = carrier_ && carrier_ == mailbox_carrier_;
    return by_mailbox ? !carrier_->request_pending() : ready();
}

// ---------------------------------------------------------------------------------------------------------- request

void Channel::begin(Request request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    state_ = after(state_, Event::published);
    request_ = std::move(request);
}

void Channel::happened(Event event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    state_ = after(state_, event);
    if (state_ == Exchange::idle)
        request_.reset();
    else if (state_ == Exchange::given_up)
        request_->tensors = nullptr;
}

void Channel::note(const std::function<void(Request&)>& change) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (request_) change(*request_);
}

void Channel::cancel() {
    if (!request_ || !directory_) return;
    write_session_file(directory_->file(protocol::kCancelFile), protocol::encode_cancel(request_->id));
    carrier_->ring_worker();
}

// ---------------------------------------------------------------------------------------------------- for any thread

bool Channel::is_busy() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return request_ && carrier_ && !carrier_->response_pending();
}

bool Channel::answer_pending(std::uint64_t request) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return request_ && request_->id == request && state_ != Exchange::given_up && carrier_ &&
           carrier_->response_pending();
}

bool Channel::answer_is_missing(std::uint64_t request) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return request_ && request_->id == request && state_ != Exchange::given_up && !request_->told;
}

bool Channel::waits_to_be_read(bool dead) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!request_ || state_ == Exchange::given_up || !carrier_) return false;
    const bool wanted = request_->lost || !request_->owner.expired();  // any thread may read a stream
    return wanted && (carrier_->response_pending() || (dead && !request_->told));
}

std::optional<Sender> Channel::sender() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!request_) return std::nullopt;
    const auto thread = request_->owner.thread.lock();
    return Sender{request_->id, request_->command, thread ? *thread : 0};
}

bool Channel::is_asked_to_leave() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return request_ && (request_->command == protocol::kExitCommand || request_->command == protocol::kExitWord);
}

bool Channel::answer_lies_ready() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return request_ && carrier_ && carrier_->response_pending();
}

std::optional<platform::Deadline::Clock::time_point> Channel::busy_since() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!request_ || !carrier_ || carrier_->response_pending()) return std::nullopt;
    return request_->sent;
}

std::string Channel::progress() const {
    std::uint32_t state = 0;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (carrier_ && carrier_ == mailbox_carrier_) state = mailbox_->status_state();
        if (state != 0 && state == progress_state_) return progress_;
    }
    auto text = read_progress();
    const std::lock_guard<std::mutex> lock(mutex_);
    progress_state_ = state;
    progress_ = text;
    return text;
}

std::string Channel::read_progress() const {
    constexpr std::size_t kMostBytes = 4096;
    try {
        const std::string text = platform::read_file(path() + "/" + protocol::kStatusFile, kMostBytes).value_or("");
        for (const char* usual : {"ready", "busy", "ok", "exiting", "error: "})
            if (text.rfind(usual, 0) == 0 && (text == usual || usual[0] == 'e')) return {};
        return text;
    } catch (const std::system_error&) {
        return {};
    }
}

std::shared_ptr<TensorStore> Channel::shared_tensors() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return tensors_;
}

std::shared_ptr<Mailbox> Channel::mailbox() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return carrier_ && carrier_ == mailbox_carrier_ ? mailbox_ : nullptr;
}

std::vector<std::shared_ptr<Carrier>> Channel::carriers() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::shared_ptr<Carrier>> all{carrier_};
    if (mailbox_carrier_ && mailbox_carrier_ != carrier_) all.push_back(mailbox_carrier_);
    return all;
}

std::shared_ptr<const protocol::Endpoints> Channel::endpoints() const {
    if (!ready()) return nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    return hello_ ? hello_->table : std::make_shared<const protocol::Endpoints>();
}

std::optional<protocol::Hello> Channel::hello() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return hello_;
}

bool Channel::worker_has(std::string_view feature) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return hello_ && hello_->has_feature(feature);
}

Channel::Facts Channel::facts() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    Facts facts;
    if (carrier_) facts.carrier = carrier_->name();
    if (carrier_) facts.host_wake_up = carrier_->tier();
    if (hello_) facts.worker_wake_up = hello_->wake_up;
    if (hello_) facts.worker_mailbox = hello_->mailbox;
    facts.fallback = fallback_;
    return facts;
}

std::string Channel::path() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return directory_ ? directory_->path() : "";
}

std::string Channel::name() const {
    const std::string where = path();
    return where.substr(where.rfind('/') + 1);
}

std::shared_ptr<Mailbox> Channel::bell() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bell_;
}

}  // namespace tr::channel
