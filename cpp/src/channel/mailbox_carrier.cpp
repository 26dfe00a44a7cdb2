#include "channel/mailbox_carrier.h"

namespace tr::channel {

void MailboxCarrier::publish(const std::string& request) {
    if (mailbox_->send(request)) return;
    files_->publish(request);
    mailbox_->send({});
}

std::optional<std::string> MailboxCarrier::take() {
    auto message = mailbox_->receive();
    by_file_ = message && message->empty();
    if (!by_file_) return message;
    message = files_->take();
    if (!message) {  // announced in vain
        by_file_ = false;
        mailbox_->acknowledge();
    }
    return message;
}

void MailboxCarrier::acknowledge() {
    if (by_file_) files_->acknowledge();
    by_file_ = false;
    mailbox_->acknowledge();
}

}  // namespace tr::channel
